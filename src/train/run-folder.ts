/** The folder of a training run: checkpoint, log and results. A file is either the old one or the new one, whole. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, UsageError } from '../errors.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts';

/** A line of the log. */
export type LogEntry = EpochEntry | TestEntry;

interface Entry {
  readonly epoch: number;
  /** Batches since the start. */
  readonly step: number;
}

export interface EpochEntry extends Entry {
  readonly kind: 'epoch';
  /** Mean cross entropy and fraction of wrong answers over the epoch's augmented batches, while the weights moved. */
  readonly loss: number;
  readonly trainError: number;
  /** Learning rate of the last batch. */
  readonly rate: number;
  readonly imagesPerSecond: number;
  /** Live tensors and resident memory: constant, or there is a leak. */
  readonly tensors: number;
  readonly rssBytes: number;
}

export interface TestEntry extends Entry {
  readonly kind: 'test';
  /** Fraction of the test images classified wrong, with moments measured for these weights. */
  readonly testError: number;
}

export class RunFolder {
  readonly #path: string;

  /** @throws UsageError when the folder cannot be made. */
  constructor(path: string) {
    this.#path = path;
    attempt(path, () => mkdirSync(path, { recursive: true }));
  }

  path(name: string): string {
    return join(this.#path, name);
  }

  get checkpointPath(): string {
    return this.path('checkpoint.safetensors');
  }

  get hasCheckpoint(): boolean {
    return existsSync(this.checkpointPath);
  }

  /** @throws InputError when it is damaged. */
  readCheckpoint(): Checkpoint {
    return readCheckpoint(attempt(this.checkpointPath, () => readFileSync(this.checkpointPath)));
  }

  saveCheckpoint(checkpoint: Checkpoint): void {
    this.write('checkpoint.safetensors', writeCheckpoint(checkpoint));
  }

  /**
   * Writes a file under a temporary name, waits until it is on the disk, and renames it.
   * @throws UsageError when that fails; the previous file is then still there.
   */
  write(name: string, bytes: Uint8Array): void {
    const path = this.path(name);
    const temporary = `${path}.partial`;
    attempt(path, () => {
      try {
        const file = openSync(temporary, 'w');
        try {
          for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
          fsyncSync(file);
        } finally {
          closeSync(file);
        }
        renameSync(temporary, path);
      } finally {
        rmSync(temporary, { force: true });
      }
    });
  }

  /** The log up to a step. What a killed run wrote beyond its last checkpoint will be written again. */
  readLog(upTo: number): LogEntry[] {
    if (!existsSync(this.path('log.jsonl'))) return [];
    const lines = readFileSync(this.path('log.jsonl'), 'utf8').split('\n').filter(Boolean);
    return lines
      .map((line, i): LogEntry => {
        try {
          return JSON.parse(line);
        } catch {
          throw new InputError('log', `${this.path('log.jsonl')} line ${i + 1}`, 'expected JSON, got something else');
        }
      })
      .filter(({ step }) => step <= upTo);
  }

  writeLog(entries: readonly LogEntry[]): void {
    this.write('log.jsonl', Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')));
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) throw error;
    throw new UsageError(`${path}: cannot be used (${String(error.code)})`);
  }
}
