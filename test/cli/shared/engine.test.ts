/** Following jobs: a controller that is busy for a moment is asked again; one that never answers is an error. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { runWork } from '../../../src/cli/shared/engine.ts';
import type { Engine, Look } from '../../../src/cluster/engine.ts';
import type { Work } from '../../../src/cluster/work.ts';
import { DeviceError, UsageError } from '../../../src/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'wrn-engine-'));
afterAll(() => rmSync(folder, { recursive: true }));
const shared = { folder, cwd: folder, reads: [], program: [], environment: {}, task: [], resumes: false, cpus: 1 };
const work: Work = { ...shared, name: 'one', count: 1, tasks: [1] };

/** Gives one answer after the other; an error is thrown. */
function answering(answers: readonly (Look | Error)[]): Engine {
  const left = [...answers];
  const submitted = {
    name: 'job 1',
    leave: async () => '',
    async look() {
      const next = left.shift();
      if (next === undefined || next instanceof Error) throw next ?? new Error('asked too often');
      return next;
    },
  };
  return { options: [], check: () => {}, render: () => '', find: async () => submitted, start: async () => submitted };
}

const running: Look = { running: 1, waiting: 0, reason: '', ended: new Map() };
const gone: Look = { ...running, running: 0 };
const busy = new DeviceError('Slurm: expected a cluster, got Socket timed out. Check with sinfo');
const done = { unit: 'shards', done: () => [1], progress: () => ({ done: 1, total: 1 }) } as const;

test('an answer that does not come leaves the jobs as they were', async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  await runWork(work, answering([running, busy, busy, gone]), { retries: 0 }, done);
});

test('no first answer, and any other error, ends the command', async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  await expect(runWork(work, answering([busy]), { retries: 0 }, done)).rejects.toThrow(busy);
  const refused = new UsageError('refused');
  await expect(runWork(work, answering([running, refused]), { retries: 0 }, done)).rejects.toThrow(refused);
});
