#!/bin/sh
job=$(sbatch --parsable << 'END_OF_TASKS'
#!/bin/bash
#SBATCH --job-name=wrn-eval-0123456789ab
#SBATCH --array=3,17-20,64
#SBATCH --cpus-per-task=4
#SBATCH --output="/shared/it's a \"result\", 100%%/logs/%a.txt"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --partition=gpu
#SBATCH --time=30:00
#SBATCH --mem=4G --constraint="avx512&ib"

export WRN_ONNX_DATA='/shared/data sets'
cd /shared/home/me || exit 4

again() { scontrol requeue "$SLURM_ARRAY_JOB_ID"_"$SLURM_ARRAY_TASK_ID" && sleep 600; }
trap : TERM
/opt/node/bin/node /opt/wrn-onnx/main.js eval '../../net $1.onnx' --data imagenet --threads 4 --shard "$SLURM_ARRAY_TASK_ID"/64 -o '/shared/it'\''s a "result", 100%' &
task=$!
while wait "$task"; status=$?; kill -0 "$task" 2> /dev/null; do :; done   # a signal ends wait early
wait "$task"; status=$?
case $status in 0|1|2|3|130) ;; *) [ "${SLURM_RESTART_COUNT:-0}" -lt 2 ] && again ;; esac
exit $status
END_OF_TASKS
)
sbatch --dependency=afterok:"$job" --kill-on-invalid-dep=yes << 'END_OF_MERGE'
#!/bin/bash
#SBATCH --job-name=wrn-eval-0123456789ab-merge
#SBATCH --output="/shared/it's a \"result\", 100%%/logs/merge.txt"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --partition=gpu
#SBATCH --time=30:00
#SBATCH --mem=4G --constraint="avx512&ib"

export WRN_ONNX_DATA='/shared/data sets'
cd /shared/home/me || exit 4

/opt/node/bin/node /opt/wrn-onnx/main.js merge '/shared/it'\''s a "result", 100%/parts' -o '/shared/it'\''s a "result", 100%'
END_OF_MERGE
