/// <reference lib="esnext.disposable" preserve="true" />
/** One verb: what is opened is closed by `close`, or by `await using` at the end of a block. */

export interface Closable extends AsyncDisposable {
  close(): Promise<void>;
}

/**
 * Gives what has a `close` the method that `await using` calls.
 *
 *     await using data = await openImageSet('cifar-10');
 */
export function closable<T extends { close(): Promise<void> }>(opened: T): T & Closable {
  return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() });
}
