import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { exitCodes } from '../src/cli/shared/exit-codes.ts';
import * as errors from '../src/errors.ts';

const { ParityError, TrainingError, UsageError, InputError, DeviceError, DownloadError, InterruptedError, WrnError } = errors;

/** Code and exit code of each error, as README and help state them. */
test.each([
  [ParityError, 'ParityError', 'WRN_PARITY', 1],
  [TrainingError, 'TrainingError', 'WRN_TRAINING', 1],
  [UsageError, 'UsageError', 'WRN_USAGE', 2],
  [DeviceError, 'DeviceError', 'WRN_DEVICE', 4],
  [DownloadError, 'DownloadError', 'WRN_DOWNLOAD', 5],
  [InterruptedError, 'InterruptedError', 'WRN_INTERRUPTED', 130],
])('%o has a name, a code, a cause and an exit code', (Kind, name, code, exitCode) => {
  const cause = new Error('y');
  const error = new Kind('x', { cause });
  expect(error).toMatchObject({ name, code, message: 'x', cause });
  expect(error).toBeInstanceOf(WrnError);
  expect(exitCodes[error.code]).toBe(exitCode);
});

test('an InputError says format, place and problem in one line', () => {
  const cause = new Error('y');
  const error = new InputError('mat5', 'at byte 3', 'expected a, got b', { cause });
  expect(error).toMatchObject({ name: 'InputError', code: 'WRN_INPUT', message: 'mat5 at byte 3: expected a, got b', cause });
  expect(exitCodes[error.code]).toBe(3);
  expect(new InputError('file', '', 'expected a').message).toBe('file: expected a');
});

test('a bundler that shortens the names of classes leaves the names of errors', async () => {
  const entry = fileURLToPath(new URL('../src/errors.ts', import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: 'esm', minify: true, write: false });
  const minified: typeof errors = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? '')}`);
  const names = Object.entries(minified).flatMap(([exported, Kind]) => (Kind.prototype instanceof Error ? [[exported, Kind.name]] : []));
  expect(names).toHaveLength(8);
  for (const [exported, name] of names) expect(name).toBe(exported);
  expect(new minified.UsageError('x').name).toBe('UsageError');
});

test('names out of files neither steer the terminal nor flood it', () => {
  const { message } = new errors.InputError('zip', `member \x1b[2J\r\n${'x'.repeat(1000)}`, 'expected \u0007');
  expect(message).toMatch(/^zip member \?\[2J\?\?x{300,400}: expected \?$/);
});
