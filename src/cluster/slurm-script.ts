/** Batch scripts for sbatch. Source of the options: https://slurm.schedmd.com/sbatch.html */
import { UsageError } from '../errors.ts';
import { ranges, shellCommand, shellWord } from './shell.ts';
import { type EngineOptions, FINAL_EXIT_CODES, lastName, type Work } from './work.ts';

/** Slurm warns a training this many seconds before the time limit. Writing a checkpoint of the largest network takes a few seconds. */
const WARNING_SECONDS = 60;

/** A value in a line of options. sbatch reads quotes and backslashes as a shell does. */
function optionValue(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
}

/** @throws UsageError when a value does not fit into a line of options */
export function checkSlurmText(work: Work, { sbatch = '', partition = '', time = '' }: EngineOptions): void {
  for (const [name, text] of Object.entries({ '--sbatch': sbatch, '--partition': partition, '--time': time }))
    if (/[\n\r\0]/.test(text)) throw new UsageError(`${name}: expected one line, got several`);
  // a backslash anywhere in --output switches off the pattern that numbers the logs
  if (/[\\\n\r]/.test(work.folder))
    throw new UsageError(`${work.folder}: Slurm takes no folder with a backslash or line break in its name`);
}

/** Lines of options that both jobs share. */
function commonLines(work: Work, { partition, time, sbatch }: EngineOptions, log: string): string[] {
  return [
    `#SBATCH --output=${optionValue(`${work.folder.replaceAll('%', '%%')}/logs/${log}`)}`,
    '#SBATCH --open-mode=append',
    '#SBATCH --requeue',
    ...(partition === undefined ? [] : [`#SBATCH --partition=${optionValue(partition)}`]),
    ...(time === undefined ? [] : [`#SBATCH --time=${optionValue(time)}`]),
    ...(sbatch === undefined ? [] : [`#SBATCH ${sbatch}`]),
    '',
    ...Object.entries(work.environment).map(([name, value]) => `export ${name}=${shellWord(value)}`),
    `cd ${shellWord(work.cwd)} || exit 4`,
  ];
}

/**
 * The array job. The script requeues a task that crashes, on any node. Slurm itself requeues tasks when a node fails or a task
 * is preempted. SIGTERM reaches the task directly, and the script waits for it.
 */
export function taskScript(work: Work, options: EngineOptions): string {
  return [
    '#!/bin/bash',
    `#SBATCH --job-name=${work.name}`,
    `#SBATCH --array=${ranges(work.tasks)}`,
    `#SBATCH --cpus-per-task=${work.cpus}`,
    ...(work.resumes ? [`#SBATCH --signal=B:USR1@${WARNING_SECONDS}`] : []),
    ...commonLines(work, options, '%a.txt'),
    '',
    'again() { scontrol requeue "$SLURM_ARRAY_JOB_ID"_"$SLURM_ARRAY_TASK_ID" && sleep 600; }',
    'trap : TERM',
    ...(work.resumes ? [`trap 'warned=yes; kill -TERM "$task"' USR1   # ${WARNING_SECONDS} s before the time limit`] : []),
    `${shellCommand([...work.program, ...work.task], '"$SLURM_ARRAY_TASK_ID"')} &`,
    'task=$!',
    'while wait "$task"; status=$?; kill -0 "$task" 2> /dev/null; do :; done   # a signal ends wait early',
    'wait "$task"; status=$?',
    ...(work.resumes ? ['case $warned:$status in yes:130|yes:143) again ;; esac   # with its last checkpoint'] : []),
    `case $status in ${FINAL_EXIT_CODES.join('|')}) ;; *) [ "\${SLURM_RESTART_COUNT:-0}" -lt ${options.retries} ] && again ;; esac`,
    'exit $status',
    '',
  ].join('\n');
}

/** The job that runs after the array job. */
export function lastScript(work: Work, options: EngineOptions): string {
  return [
    '#!/bin/bash',
    `#SBATCH --job-name=${lastName(work)}`,
    ...commonLines(work, options, 'merge.txt'),
    '',
    shellCommand([...work.program, ...(work.last as readonly string[])]),
    '',
  ].join('\n');
}

/** Options of sbatch that start a job after the array job `id`, and cancel it when a task fails. */
export const afterOptions = (id: string): string[] => [`--dependency=afterok:${id}`, '--kill-on-invalid-dep=yes'];

/** A shell script that submits both jobs. */
export function submitScript(work: Work, options: EngineOptions): string {
  const tasks = `sbatch --parsable << 'END_OF_TASKS'\n${taskScript(work, options)}END_OF_TASKS\n`;
  if (!work.last) return `#!/bin/sh\n${tasks}`;
  return `#!/bin/sh\njob=$(${tasks})\nsbatch ${afterOptions('"$job"').join(' ')} << 'END_OF_MERGE'\n${lastScript(work, options)}END_OF_MERGE\n`;
}
