/// <reference lib="esnext.disposable" preserve="true" />
/** Everything that is opened has the method `close`, which `await using` calls at the end of a block. */

export interface Closable extends AsyncDisposable {
  close(): Promise<void>;
}

/**
 * Adds the method that `await using` calls.
 *
 *     await using data = await openImageSet('cifar-10');
 */
export function closable<T extends { close(): Promise<void> }>(opened: T): T & Closable {
  return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() });
}
