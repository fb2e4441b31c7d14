/** `--shard`: a part that the user names, or that a job scheduler gives this process. */
import { InvalidArgumentError } from 'commander';
import type { Shard } from '../../../eval/shard.ts';
import type { Environment } from '../../environment.ts';

/** How a scheduler numbers the jobs of an array, in environment variables. */
interface Scheduler {
  readonly name: string;
  /** Number of the job. */
  readonly index: string;
  /** Number of the first job: a variable, or 0. */
  readonly first?: string;
  /** Distance between the numbers of two jobs; 1 without a variable. */
  readonly step?: string;
  /** How many jobs there are; a scheduler without one leaves it to the user. */
  readonly count?: string;
}

const schedulers: readonly Scheduler[] = [
  {
    name: 'Slurm (job array)',
    index: 'SLURM_ARRAY_TASK_ID',
    first: 'SLURM_ARRAY_TASK_MIN',
    step: 'SLURM_ARRAY_TASK_STEP',
    count: 'SLURM_ARRAY_TASK_COUNT',
  },
  { name: 'Slurm (srun)', index: 'SLURM_PROCID', count: 'SLURM_NTASKS' },
  { name: 'Kubernetes (indexed job)', index: 'JOB_COMPLETION_INDEX' },
  { name: 'AWS Batch (array job)', index: 'AWS_BATCH_JOB_ARRAY_INDEX', count: 'AWS_BATCH_JOB_ARRAY_SIZE' },
];

/**
 * Parses `2/7`; `auto`, the job that a scheduler started; or `auto/7` when the scheduler does not say how many there are.
 * @throws InvalidArgumentError
 */
export function parseShard(text: string, env: Environment): Shard {
  const auto = /^auto(?:\/(\d{1,9}))?$/.exec(text);
  if (auto) return shardOfJob(env, auto[1] === undefined ? undefined : Number(auto[1]));
  const [index = 0, count = 0] = /^\d{1,9}\/\d{1,9}$/.test(text) ? text.split('/').map(Number) : [];
  if (index === 0 && count > 0)
    throw new InvalidArgumentError(`shards count from 1: the first is 1/${count}, the last ${count}/${count}. Or give auto`);
  if (index < 1 || index > count) throw new InvalidArgumentError('expected I/N with I from 1 to N, such as 2/7, or auto');
  return { index, count };
}

function shardOfJob(env: Environment, asked: number | undefined): Shard {
  const scheduler = schedulers.find(({ index }) => env[index] !== undefined);
  if (!scheduler) {
    const looked = schedulers.map(({ name, index }) => `${index} of ${name}`).join(', ');
    throw new InvalidArgumentError(`auto: expected one of ${looked} in the environment, got none. Use I/N instead`);
  }
  const { name } = scheduler;
  const number = (variable: string | undefined, otherwise: number): number => {
    const value = variable === undefined ? undefined : env[variable];
    if (value === undefined) return otherwise;
    if (!/^\d{1,9}$/.test(value))
      throw new InvalidArgumentError(`${name}: expected a whole number in ${variable}, got ${JSON.stringify(value)}`);
    return Number(value);
  };
  const count = asked ?? number(scheduler.count, 0);
  if (count === 0)
    throw new InvalidArgumentError(`${name} does not say how many jobs there are: add the number, such as auto/8 for 8 jobs`);
  const index = (number(scheduler.index, 0) - number(scheduler.first, 0)) / number(scheduler.step, 1) + 1;
  if (!Number.isInteger(index) || index < 1 || index > count)
    throw new InvalidArgumentError(`${name}: expected ${count} consecutive job numbers, got job ${env[scheduler.index]}. Use I/N instead`);
  return { index, count };
}
