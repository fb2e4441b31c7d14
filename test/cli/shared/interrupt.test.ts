import { expect, test } from 'vitest';
import { catchInterrupt } from '../../../src/cli/shared/interrupt.ts';
import { InterruptedError } from '../../../src/errors.ts';

test.each(['SIGINT', 'SIGTERM'] as const)('%s aborts; after it either signal ends the process as usual', (kind) => {
  const listeners = () => [process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')];
  const before = listeners();
  const { signal, release } = catchInterrupt('interrupted: nothing was written');
  expect(listeners()).toEqual(before.map((count) => count + 1));
  process.emit(kind);
  expect(signal.reason).toEqual(new InterruptedError('interrupted: nothing was written'));
  expect(listeners()).toEqual(before);
  release();
  expect(listeners()).toEqual(before);
});
