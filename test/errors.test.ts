import { expect, test } from 'vitest';
import * as errors from '../src/errors.ts';

test('every error is one line with an exit code', () => {
  const { InputError, UsageError, ParityError, TrainingError, DeviceError, DownloadError, InterruptedError } = errors;
  const codes = [new ParityError('x'), new TrainingError('x'), new UsageError('x'), new DeviceError('x'), new DownloadError('x')].map(
    (error) => [error.name, error.exitCode, error.message],
  );
  expect(codes).toEqual([
    ['ParityError', 1, 'x'],
    ['TrainingError', 1, 'x'],
    ['UsageError', 2, 'x'],
    ['DeviceError', 4, 'x'],
    ['DownloadError', 5, 'x'],
  ]);
  expect(new InterruptedError().exitCode).toBe(130);
  expect(new InputError('mat5', 'at byte 3', 'expected a, got b')).toMatchObject({
    exitCode: 3,
    message: 'mat5 at byte 3: expected a, got b',
  });
  expect(new InputError('file', '', 'expected a').message).toBe('file: expected a');
});

test('names out of files neither steer the terminal nor flood it', () => {
  const { message } = new errors.InputError('zip', `member \x1b[2J\r\n${'x'.repeat(1000)}`, 'expected \u0007');
  expect(message).toMatch(/^zip member \?\[2J\?\?x{300,400}: expected \?$/);
});
