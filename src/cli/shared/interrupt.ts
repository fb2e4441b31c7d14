/** What Ctrl-C and SIGTERM do. */
import { InterruptedError } from '../../errors.ts';
import { exitCodes } from './exit-codes.ts';
import { say } from './results.ts';

/**
 * An AbortSignal fired by the first Ctrl-C or SIGTERM. After that, or after `release`, the next one ends the process as usual.
 * @param message of the InterruptedError with which it is aborted
 */
export function catchInterrupt(message: string): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const { release } = onInterrupt(() => controller.abort(new InterruptedError(message)));
  return { signal: controller.signal, release };
}

/**
 * For work that listens to no AbortSignal: until `release`, Ctrl-C and SIGTERM call `cleanUp`, print one line and end the process.
 * @param what did not happen
 */
export function exitOnInterrupt(what: string, cleanUp: () => void): { release(): void } {
  return onInterrupt(() => {
    cleanUp();
    say(`wrn-onnx: interrupted, ${what}`);
    process.exit(exitCodes.WRN_INTERRUPTED);
  });
}

function onInterrupt(action: () => void): { release(): void } {
  const release = () => void process.off('SIGINT', once).off('SIGTERM', once);
  const once = () => {
    release();
    action();
  };
  process.on('SIGINT', once).on('SIGTERM', once);
  return { release };
}
