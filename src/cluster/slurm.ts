/** Slurm: one array job, then one job that runs after it. Source: https://slurm.schedmd.com/job_array.html */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DeviceError, UsageError } from '../errors.ts';
import type { Engine, Look, Submitted } from './engine.ts';
import { type Ended, runProgram } from './program.ts';
import { afterOptions, checkSlurmText, lastScript, submitScript, taskScript } from './slurm-script.ts';
import { lastName, type Work } from './work.ts';

const MISSING = "Run this on a machine of the cluster where Slurm's commands are installed";

export const slurm: Engine = {
  options: ['partition', 'time', 'sbatch'],
  check: checkSlurmText,
  render: submitScript,

  async find(work, options) {
    const jobs = (await jobsOf(work)).filter(isActive);
    const tasks = jobs.find(({ name }) => name === work.name)?.job;
    const last = jobs.find(({ name }) => name === lastName(work))?.job;
    if (tasks === undefined) return last === undefined ? undefined : submitted(work, last, undefined);
    // an earlier command may have been killed after it submitted the first job
    return submitted(work, tasks, last ?? (work.last && (await submit(lastScript(work, options), afterOptions(tasks)))));
  },

  async start(work, options) {
    const script = taskScript(work, options);
    accepted(await sbatch(['--test-only'], script), work);
    const tasks = await submit(script);
    if (!work.last) return submitted(work, tasks, undefined);
    try {
      return submitted(work, tasks, await submit(lastScript(work, options), afterOptions(tasks)));
    } catch (error) {
      await runProgram('scancel', [tasks], { missing: MISSING });
      throw error;
    }
  },
};

const sbatch = (args: readonly string[], script: string) => runProgram('sbatch', args, { input: script, missing: MISSING });

/** @returns the number of the job */
async function submit(script: string, args: readonly string[] = []): Promise<string> {
  const { stdout } = accepted(await sbatch(['--parsable', ...args], script));
  return stdout.trim().split(';')[0] as string; // the cluster's name may follow
}

/** Messages of Slurm's commands when the controller is missing or rejects the user. */
const NO_CLUSTER = /contact slurm controller|connect|configuration file|configless|munge|authentication|zero bytes|timed out/i;

/** @throws DeviceError when no controller answers; UsageError when it refuses the options */
function accepted(ended: Ended, work?: Work): Ended {
  if (ended.code === 0) return ended;
  const lines = ended.stderr
    .split('\n')
    .map((line) => line.replace(/^(sbatch|squeue): ((error|fatal): )?/, '').trim())
    .filter(Boolean);
  if (NO_CLUSTER.test(ended.stderr)) throw new DeviceError(`Slurm: expected a cluster, got ${lines[0]}. Check with sinfo`);
  const tooMany = /array spec/i.test(ended.stderr) && work !== undefined;
  const advice = tooMany ? `. The cluster may take fewer than ${work.count} tasks: see MaxArraySize in scontrol show config` : '';
  throw new UsageError(`Slurm refuses the job: ${lines[0] ?? `exit code ${ended.code}`}${advice}. Nothing was submitted`);
}

/** A line of squeue. */
interface Job {
  readonly name: string;
  /** Number of the job; for a task, that of its array. */
  readonly job: string;
  /** NaN for a job that is not an array. */
  readonly task: number;
  readonly state: string;
  readonly reason: string;
  readonly nodes: string;
}

/** The jobs of the work that Slurm still lists, one per task. */
async function jobsOf(work: Work): Promise<Job[]> {
  const names = [work.name, lastName(work)].join(',');
  const { stdout } = accepted(
    await runProgram('squeue', ['--noheader', '--array', '--states=all', `--name=${names}`, '--format=%j|%F|%K|%T|%N|%r'], {
      missing: MISSING,
    }),
  );
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name = '', job = '', task = '', state = '', nodes = '', ...reason] = line.split('|');
      return { name, job, task: Number(task), state, nodes, reason: reason.join('|') };
    });
}

/** Why a task ended, for each state in which it does not run again. Source: https://slurm.schedmd.com/squeue.html, job state codes */
const ends: Readonly<Record<string, string>> = {
  BOOT_FAIL: 'its node did not start',
  CANCELLED: 'cancelled',
  COMPLETED: 'ended without a result',
  DEADLINE: 'its deadline passed',
  FAILED: 'failed',
  NODE_FAIL: 'its node failed',
  OUT_OF_MEMORY: 'out of memory. Ask for more, such as --sbatch --mem=4G',
  PREEMPTED: 'preempted',
  REVOKED: 'revoked',
  TIMEOUT: 'reached the time limit. Set a longer --time',
};
const isActive = ({ state }: Job) => !Object.hasOwn(ends, state);

const isRunning = ({ state }: Job) => state !== 'PENDING';

function submitted(work: Work, tasks: string, last: string | undefined): Submitted {
  const numbers = last === undefined ? [tasks] : [tasks, last];
  const name = numbers.length > 1 ? `jobs ${numbers.join(' and ')}` : `job ${tasks}`;
  return {
    name,
    async look(): Promise<Look> {
      const jobs = (await jobsOf(work)).filter(({ job }) => numbers.includes(job));
      const active = jobs.filter(isActive);
      const waiting = active.filter((job) => !isRunning(job));
      const ended = jobs.filter((job) => job.job === tasks && !isActive(job));
      return {
        running: active.length - waiting.length,
        waiting: waiting.length,
        reason: [...new Set(waiting.filter(({ job }) => job === tasks).map(({ reason }) => reason))].join(', '),
        ended: new Map(ended.map((job) => [job.task, whyEnded(work, job)])),
      };
    },
    leave: async () => `${name} ${numbers.length > 1 ? 'keep' : 'keeps'} running. To stop: scancel ${numbers.join(' ')}`,
  };
}

function whyEnded({ folder }: Work, { state, task, nodes, reason }: Job): string {
  const log = join(folder, 'logs', `${task}.txt`);
  if (state === 'FAILED' && (reason === 'JobLaunchFailure' || !existsSync(log)))
    return `node ${nodes} does not see ${folder}. Use a folder on a disk that all nodes share`;
  return state === 'FAILED' ? `failed, see ${log}` : (ends[state] as string);
}
