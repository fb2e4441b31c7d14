/** What is the same for every command. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { run } from './run.ts';

test('help NAME is the help of the command, options and example', async () => {
  for (const args of [
    ['help', 'curve'],
    ['curve', '--help'],
  ]) {
    const { status, stdout, stderr } = await run(args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: wrn-onnx curve \[options\] <\S+>\n/);
    for (const text of ['--output <name>', '--force', 'Example:\n  $ wrn-onnx curve ']) expect(stdout).toContain(text);
  }
});

test('--help names every command, --version is that of the package', async () => {
  const { stdout } = await run(['--help']);
  for (const name of [
    'export',
    'import',
    'inspect',
    'pack',
    'unpack',
    'eval',
    'merge',
    'bench',
    'predict',
    'site',
    'serve',
    'train',
    'curve',
    'data',
    'models',
    'sweep',
    'doctor',
  ])
    expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(await run(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
});

test('an unknown command is a usage error', async () => {
  const { status, stdout, stderr } = await run(['convert']);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain("unknown command 'convert'");
});
