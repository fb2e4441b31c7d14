/** A device that has joined: its name, its connections and the calls that it has not answered. */
import type { Socket } from 'node:net';
import { DeviceError } from '../../../src/errors.ts';
import type { PageOpen } from '../browser/page.ts';
import type { Call } from './protocol.ts';

interface Pending {
  readonly call: Call;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

let lastId = 0;

export class Device {
  readonly #pending = new Map<number, Pending>();
  readonly #sockets = new Set<Socket>();
  #wake: () => void = () => {};
  #lastSeen = performance.now();
  #failure: unknown;

  constructor(
    /** From 1, in order of joining. */
    readonly number: number,
    /** Browser, system and GPU, as the page says. */
    readonly name: string,
    public key: string,
    /** Of the page that is open now; an earlier one is refused. */
    public instance: string,
  ) {}

  /** Whether it has unanswered calls. */
  get busy(): boolean {
    return this.#pending.size > 0;
  }

  /** Milliseconds since it was last connected. */
  get silence(): number {
    return this.#sockets.size > 0 ? 0 : performance.now() - this.#lastSeen;
  }

  /** Notes that it asks over this connection. */
  seen(socket: Socket): void {
    this.#lastSeen = performance.now();
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#lastSeen = performance.now();
    });
  }

  /** Asks the page, and waits for the answer, however often the connection is lost. */
  call(session: number, open: PageOpen, method: Call['method'], ...args: unknown[]): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const call: Call = { id: ++lastId, session, open, method, args };
    return new Promise((resolve, reject) => {
      this.#pending.set(call.id, { call, resolve, reject });
      this.#wake();
    });
  }

  /** The oldest unanswered call, even if the page was given it before; undefined when there is none within `milliseconds`. */
  async next(milliseconds: number): Promise<Call | undefined> {
    if (!this.busy) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, milliseconds);
      });
      clearTimeout(timer);
    }
    const [first] = this.#pending.values();
    return first?.call;
  }

  /** Takes an answer; a repeated one changes nothing. */
  settle(id: number, answer: { readonly value?: unknown; readonly error?: string | undefined }): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (answer.error !== undefined) pending?.reject(new DeviceError(answer.error));
    else pending?.resolve(answer.value);
  }

  /** Rejects all calls, now and later. */
  fail(error: unknown): void {
    this.#failure = error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#wake();
  }
}
