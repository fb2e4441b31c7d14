/** What is the same for every command. */
import { expect, test } from 'vitest';
import { run } from './run.ts';

test('help NAME is the help of the command, options and example', async () => {
  const { status, stdout } = await run(['help', 'curve']);
  expect(status).toBe(0);
  expect(stdout).toBe((await run(['curve', '--help'])).stdout);
  expect(stdout).toContain('--output <name>');
});
