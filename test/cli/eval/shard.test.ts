/** Shards as the documentation of each scheduler numbers its jobs. */
import { InvalidArgumentError } from 'commander';
import { expect, test } from 'vitest';
import { parseShard } from '../../../src/cli/eval/shard.ts';

const slurm = (id: string, rest: Record<string, string> = {}) => ({
  SLURM_ARRAY_TASK_ID: id,
  SLURM_ARRAY_TASK_MIN: '0',
  SLURM_ARRAY_TASK_MAX: '3',
  SLURM_ARRAY_TASK_STEP: '1',
  SLURM_ARRAY_TASK_COUNT: '4',
  SLURM_PROCID: '0', // an array job has these, too
  SLURM_NTASKS: '1',
  ...rest,
});

test.each<[title: string, text: string, env: Record<string, string>, index: number, count: number]>([
  ['by hand', '2/7', {}, 2, 7],
  ['sbatch --array=0-3, the first', 'auto', slurm('0'), 1, 4],
  ['sbatch --array=0-3, the last', 'auto', slurm('3'), 4, 4],
  ['sbatch --array=1-4', 'auto', slurm('4', { SLURM_ARRAY_TASK_MIN: '1', SLURM_ARRAY_TASK_MAX: '4' }), 4, 4],
  [
    'sbatch --array=10-30:10',
    'auto',
    slurm('20', { SLURM_ARRAY_TASK_MIN: '10', SLURM_ARRAY_TASK_STEP: '10', SLURM_ARRAY_TASK_COUNT: '3' }),
    2,
    3,
  ],
  ['srun --ntasks=8', 'auto', { SLURM_PROCID: '7', SLURM_NTASKS: '8' }, 8, 8],
  ['Kubernetes, completionMode Indexed', 'auto/5', { JOB_COMPLETION_INDEX: '0' }, 1, 5],
  ['AWS Batch', 'auto', { AWS_BATCH_JOB_ARRAY_INDEX: '1', AWS_BATCH_JOB_ARRAY_SIZE: '2' }, 2, 2],
])('%s', (_, text, env, index, count) => expect(parseShard(text, env)).toEqual({ index, count }));

test.each<[text: string, env: Record<string, string>, message: string]>([
  ['0/4', {}, 'shards count from 1: the first is 1/4, the last 4/4. Or give auto'],
  ['5/4', {}, 'expected I/N with I from 1 to N, such as 2/7, or auto'],
  ['0/0', {}, 'expected I/N with I from 1 to N'],
  ['1', {}, 'expected I/N with I from 1 to N'],
  ['auto', {}, 'auto: expected one of SLURM_ARRAY_TASK_ID of Slurm (job array), SLURM_PROCID'],
  [
    'auto',
    { JOB_COMPLETION_INDEX: '2' },
    'Kubernetes (indexed job) does not say how many jobs there are: add the number, such as auto/8 for 8 jobs',
  ],
  ['auto/2', { JOB_COMPLETION_INDEX: '2' }, 'expected 2 consecutive job numbers, got job 2'],
  ['auto/2', { JOB_COMPLETION_INDEX: '-1' }, 'expected a whole number in JOB_COMPLETION_INDEX, got "-1"'],
  ['auto', slurm('9', { SLURM_ARRAY_TASK_COUNT: '3' }), 'expected 3 consecutive job numbers, got job 9'], // --array=0,4,9
])('%s with %j is refused', (text, env, message) => {
  expect(() => parseShard(text, env)).toThrow(InvalidArgumentError);
  expect(() => parseShard(text, env)).toThrow(message);
});
