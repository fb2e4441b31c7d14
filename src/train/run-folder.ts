/** The folder of a training run: checkpoint, log and results. A file is either the old one or the new one, whole. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { inFile, whyNotWritten } from '../data/file-error.ts';
import { UsageError } from '../errors.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { lockFolder } from './folder-lock.ts';
import { type LogEntry, readLog } from './log.ts';

export class RunFolder {
  readonly #path: string;
  #unlock: (() => void) | undefined;
  #made = false;

  /** Nothing is read or made yet. */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Makes the folder, and keeps other trainings out of it.
   * @throws UsageError when it cannot be made or written, or a training is under way there.
   */
  claim(): void {
    attempt(this.#path, () => {
      this.#made = makeFolder(this.#path);
      accessSync(this.#path, constants.W_OK);
      this.#unlock = lockFolder(this.path('lock'));
    });
  }

  /** Gives the folder free, and takes it away if nothing has come into it. */
  release(): void {
    this.#unlock?.();
    this.#unlock = undefined;
    if (!this.#made) return;
    try {
      rmdirSync(this.#path);
    } catch {
      // it holds something
    }
  }

  /** Bytes that can still be written. */
  get freeBytes(): number {
    const { bavail, bsize } = attempt(this.#path, () => statfsSync(this.#path));
    return bavail * bsize;
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

  /** A file that a run has left at its end, if one has. */
  get result(): string | undefined {
    return ['model.safetensors', 'report.json'].map((name) => this.path(name)).find((path) => existsSync(path));
  }

  /** @throws InputError when it is damaged. */
  readCheckpoint(): Checkpoint {
    const bytes = attempt(this.checkpointPath, () => readFileSync(this.checkpointPath));
    try {
      return readCheckpoint(bytes);
    } catch (error) {
      throw inFile(this.checkpointPath, error);
    }
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

  /**
   * The log, empty when there is none. That of a killed run may be ahead of its checkpoint.
   * @throws InputError naming the first line that is none of a log.
   */
  readLog(): LogEntry[] {
    const path = this.path('log.jsonl');
    return existsSync(path) ? readLog(readFileSync(path, 'utf8'), path) : [];
  }

  writeLog(entries: readonly LogEntry[]): void {
    this.write('log.jsonl', Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')));
  }
}

/**
 * Makes a folder and those above it.
 * @returns false when it was there. Node's own recursive mkdir never ends where the system says ENOENT below a folder that exists.
 */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return false;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeFolder(dirname(path));
    mkdirSync(path);
    return true;
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const reason = whyNotWritten(error);
    throw reason === undefined ? error : new UsageError(`${path}: cannot be used, ${reason}`);
  }
}
