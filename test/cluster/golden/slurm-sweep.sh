#!/bin/sh
sbatch --parsable << 'END_OF_TASKS'
#!/bin/bash
#SBATCH --job-name=wrn-sweep-0123456789ab
#SBATCH --array=1-4
#SBATCH --cpus-per-task=1
#SBATCH --signal=B:USR1@60
#SBATCH --output=/shared/cifar/logs/%a.txt
#SBATCH --open-mode=append
#SBATCH --requeue

cd /shared/home/me || exit 4

again() { scontrol requeue "$SLURM_ARRAY_JOB_ID"_"$SLURM_ARRAY_TASK_ID" && sleep 600; }
trap : TERM
trap 'warned=yes; kill -TERM "$task"' USR1   # 60 s before the time limit
/opt/node/bin/node /opt/wrn-onnx/main.js sweep --run "$SLURM_ARRAY_TASK_ID" -o /shared/cifar &
task=$!
while wait "$task"; status=$?; kill -0 "$task" 2> /dev/null; do :; done   # a signal ends wait early
wait "$task"; status=$?
case $warned:$status in yes:130|yes:143) again ;; esac   # with its last checkpoint
case $status in 0|1|2|3|130) ;; *) [ "${SLURM_RESTART_COUNT:-0}" -lt 0 ] && again ;; esac
exit $status
END_OF_TASKS
