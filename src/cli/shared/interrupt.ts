/** What Ctrl-C and SIGTERM do. */
import { InterruptedError } from '../../errors.ts';

/** An abort signal that the first Ctrl-C or SIGTERM gives. After it, or after `release`, such a signal ends the process as usual. */
export function catchInterrupt(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const { release } = onInterrupt(() => controller.abort());
  return { signal: controller.signal, release };
}

/**
 * Where nothing listens to an abort signal: until `release`, Ctrl-C and SIGTERM end the process, after `cleanUp`, with one line.
 * @param what did not happen
 */
export function exitOnInterrupt(what: string, cleanUp: () => void): { release(): void } {
  return onInterrupt(() => {
    cleanUp();
    const { exitCode, message } = new InterruptedError(`interrupted, ${what}`);
    process.stderr.write(`wrn-onnx: ${message}\n`);
    process.exit(exitCode);
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
