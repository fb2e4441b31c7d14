/** The parent's side of `worker.ts`: requests and replies in order, and an error when the child dies. */
import { type ChildProcess, fork } from 'node:child_process';
import { processEnvironment } from '../../../src/environment.ts';
import { builtFile } from '../../../src/package-files.ts';
import type { Reply, Request } from './worker.ts';

type Kind = Request['kind'];
type ReplyTo<K extends Kind> = Extract<Reply, { kind: K }>;

const MAX_STDERR = 4000;

export class Child {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve(reply: Reply): void; reject(error: Error): void }[] = [];
  #stderr = '';
  #exit: Error | undefined;

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.#child = fork(builtFile('node/backend-process.js'), {
      serialization: 'advanced', // typed arrays cross as bytes
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...processEnvironment(), ...env },
      execArgv: [],
    });
    this.#child.stderr?.on('data', (text: Buffer) => {
      this.#stderr = (this.#stderr + text.toString()).slice(-MAX_STDERR);
    });
    this.#child.on('message', (reply: Reply) => this.#waiting.shift()?.resolve(reply));
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.on('exit', (code, signal) =>
      this.#fail(new Error(`the process ended with ${signal ?? `code ${code}`}. ${this.#lastLine()}`)),
    );
  }

  /**
   * Sends a request and waits for its reply.
   * @throws Error with the runtime's message, or when the process has ended
   */
  async ask<K extends Kind>(request: Extract<Request, { kind: K }>): Promise<ReplyTo<K>> {
    if (this.#exit) throw this.#exit;
    const reply = await new Promise<Reply>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.send(request, (error) => error && this.#fail(error));
    });
    if (reply.kind === 'error') throw new Error(reply.message);
    return reply as ReplyTo<K>;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL'); // nothing to save, and a driver may hang while it exits
    await ended;
  }

  #fail(error: Error): void {
    this.#exit ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#exit);
  }

  #lastLine(): string {
    return this.#stderr.trim().split('\n').at(-1) ?? '';
  }
}
