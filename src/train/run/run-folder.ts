/** The folder of a training run: checkpoint, log and results. Every file is replaced atomically. */
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
import { dirname, join, normalize, resolve } from 'node:path';
import { fileError, inFile, whyNotWritten } from '../../data/files/file-error.ts';
import { UsageError } from '../../errors.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { type FolderLock, lockFolder } from './folder-lock.ts';
import { type LogEntry, readLog } from './log.ts';

export class RunFolder {
  readonly #path: string;
  #lock: FolderLock | undefined;
  /** Folders that this run created, innermost first. */
  #made: readonly string[] = [];

  /** Does not access the file system yet. */
  constructor(path: string) {
    this.#path = normalize(path);
  }

  /**
   * Creates the folder and locks it against other training runs, on this or another machine.
   * @param onWait gets a line for the user if it takes a while to see whether another run is alive
   * @param interval milliseconds between two signs of life of a run; a second by default
   * @returns a signal that fires when another process has taken over the folder while this one was suspended. From then on
   *   nothing is written. The reason of the signal is a UsageError
   * @throws UsageError when the folder cannot be created or written, or another run is using it
   */
  async claim(onWait: (line: string) => void = () => {}, interval?: number): Promise<AbortSignal> {
    attempt(this.#path, () => {
      this.#made = makeFolder(resolve(this.#path));
      accessSync(this.#path, constants.W_OK);
    });
    const path = this.path('lock');
    try {
      this.#lock = await lockFolder(path, onWait, interval);
      return this.#lock.lost;
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** Releases the lock. Removes the created folders if the run has written nothing. */
  release(): void {
    this.#lock?.release();
    this.#lock = undefined;
    try {
      for (const folder of this.#made) rmdirSync(folder);
    } catch {
      // the folder is not empty
    }
  }

  /** Free disk space in bytes. */
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

  /** A result file of a finished run, if there is one. */
  get result(): string | undefined {
    return ['model.safetensors', 'model.onnx', 'report.json'].map((name) => this.path(name)).find((path) => existsSync(path));
  }

  /** @throws InputError when it cannot be read or is damaged */
  readCheckpoint(): Checkpoint {
    const path = this.checkpointPath;
    try {
      return readCheckpoint(readFileSync(path));
    } catch (error) {
      throw inFile(path, fileError(path, error));
    }
  }

  saveCheckpoint(checkpoint: Checkpoint): void {
    this.write('checkpoint.safetensors', writeCheckpoint(checkpoint));
  }

  /**
   * Writes a file under a temporary name, waits until it is on the disk, and renames it. write-file-atomic is no alternative: it
   * mistakes a short write, e.g. on a full disk, for a complete one, and cannot put the temporary file into the lock's folder.
   * @throws UsageError when that fails, or when another process has taken over the folder. The previous file then remains
   */
  write(name: string, bytes: Uint8Array): void {
    const path = this.path(name);
    const lock = this.#lock;
    const temporary = join(lock?.workspace ?? this.#path, `${name}.partial`);
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
      } catch (error) {
        lock?.check();
        throw error;
      } finally {
        rmSync(temporary, { force: true });
      }
    });
  }

  /**
   * The log; empty if there is none. The log of a killed run can be ahead of its checkpoint.
   * @throws InputError when it cannot be read; names the first invalid log line
   */
  readLog(): LogEntry[] {
    const path = this.path('log.jsonl');
    try {
      return existsSync(path) ? readLog(readFileSync(path, 'utf8'), path) : [];
    } catch (error) {
      throw fileError(path, error);
    }
  }

  writeLog(entries: readonly LogEntry[]): void {
    this.write('log.jsonl', Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')));
  }
}

/**
 * Creates a folder and its parents. Node's recursive mkdir loops forever if the system reports ENOENT below an existing folder.
 * @returns the created folders, innermost first
 */
function makeFolder(path: string): string[] {
  try {
    mkdirSync(path);
    return [path];
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return [];
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error;
    const above = makeFolder(dirname(path));
    return [...makeFolder(path), ...above];
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Turns a file system error into a line for the user. Returns other errors unchanged. */
function writeError(path: string, error: unknown): unknown {
  const reason = whyNotWritten(error);
  return reason === undefined ? error : new UsageError(`${path}: cannot be used, ${reason}`, { cause: error });
}
