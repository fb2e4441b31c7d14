/** Tasks on this machine that cannot start end with a reason; the command that follows them goes on. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { local } from '../../src/cluster/local.ts';
import type { Work } from '../../src/cluster/work.ts';
import { makeScratch } from '../../src/data/files/leftovers.ts';

test.each([
  ['a program that is missing', { program: '/nowhere/program', logs: true }, /^did not start: .*ENOENT/],
  ['a folder without logs', { program: process.execPath, logs: false }, /^did not start: .*ENOENT.*1\.txt/],
  ['a program that fails', { program: '/bin/false', logs: true }, /^failed, see .*1\.txt$/],
])('%s is a reason, not a crash', async (_, { program, logs }, reason) => {
  const folder = makeScratch();
  onTestFinished(() => rmSync(folder, { recursive: true }));
  if (logs) mkdirSync(join(folder, 'logs'));
  const work: Work = {
    name: 'wrn-test',
    folder,
    program: [program],
    environment: {},
    cwd: folder,
    reads: [],
    count: 2,
    tasks: [1, 2],
    task: [],
    resumes: false,
    cpus: 1,
  };
  const submitted = await local.start(work, { retries: 1 });
  let seen = await submitted.look();
  for (; seen.running + seen.waiting > 0; seen = await submitted.look()) await sleep(5);
  expect([...seen.ended.keys()]).toEqual([1, 2]);
  expect(seen.ended.get(1)).toMatch(reason);
  expect(await submitted.leave()).toBe('stopped');
});
