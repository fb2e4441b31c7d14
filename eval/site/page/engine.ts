/** A network in a worker of its own, as the page sees it. */
import type { Progress } from '../engine/download.ts';
import type { Ask, Calls, Reply } from '../engine/protocol.ts';
import type { NetworkFacts } from '../facts.ts';

interface Waiting {
  readonly progress: Progress | undefined;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class Engine {
  readonly #worker = new Worker('engine.js', { type: 'module' });
  /** Calls without an answer yet, in order. */
  readonly #waiting: Waiting[] = [];

  constructor() {
    this.#worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => {
      if ('progress' in data) return this.#waiting[0]?.progress?.(data.progress);
      const first = this.#waiting.shift();
      if ('error' in data) first?.reject(new Error(data.error));
      else first?.resolve(data.value);
    });
    this.#worker.addEventListener('error', (event) => {
      event.preventDefault();
      const error = new Error(event.message || 'engine.js is missing on the server, or it does not run in this browser.');
      this.#giveUp(error);
    });
  }

  /** Downloads and prepares a network; all other calls come after it. */
  open(network: NetworkFacts, progress: Progress) {
    return this.#call('open', network, progress);
  }

  classify(picture: Calls['classify']['ask']) {
    return this.#call('classify', picture, undefined, 'close' in picture ? [picture as unknown as Transferable] : []);
  }

  /** Milliseconds per image. */
  time() {
    return this.#call('time', null);
  }

  check(facts: Calls['check']['ask'], progress: Progress) {
    return this.#call('check', facts, progress);
  }

  /** Ends the worker; calls without an answer fail. */
  close(): void {
    this.#worker.terminate();
    this.#giveUp(new Error('the network was closed'));
  }

  #giveUp(error: Error): void {
    for (const one of this.#waiting.splice(0)) one.reject(error);
  }

  #call<K extends keyof Calls>(
    kind: K,
    value: Calls[K]['ask'],
    progress?: Progress,
    moved: Transferable[] = [],
  ): Promise<Calls[K]['give']> {
    const ask: Ask = { kind, value };
    return new Promise<Calls[K]['give']>((resolve, reject) => {
      this.#waiting.push({ progress, resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage(ask, moved);
    });
  }
}
