/** An abort signal that the first Ctrl-C or SIGTERM gives. After it, or after `release`, such a signal ends the process as usual. */
export function catchInterrupt(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const release = () => void process.off('SIGINT', abort).off('SIGTERM', abort);
  const abort = () => {
    release();
    controller.abort();
  };
  process.on('SIGINT', abort).on('SIGTERM', abort);
  return { signal: controller.signal, release };
}
