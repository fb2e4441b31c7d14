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
import { dirname, join, normalize, resolve } from 'node:path';
import { fileError, inFile, whyNotWritten } from '../data/files/file-error.ts';
import { UsageError } from '../errors.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { type FolderLock, lockFolder } from './folder-lock.ts';
import { type LogEntry, readLog } from './log.ts';

export class RunFolder {
  readonly #path: string;
  #lock: FolderLock | undefined;
  /** Folders that were not there before, the innermost first. */
  #made: readonly string[] = [];

  /** Reads and makes nothing yet. */
  constructor(path: string) {
    this.#path = normalize(path);
  }

  /**
   * Makes the folder, and keeps other trainings out of it, those of other machines too.
   * @param onWait gets a line when it takes a while to see whether another training still lives.
   * @returns a signal that fires when another process has taken over the folder while this one was suspended. Nothing is
   *   written from then on; the reason of the signal is a UsageError that says so.
   * @throws UsageError when it cannot be made or written, or a training is under way there.
   */
  async claim(onWait: (line: string) => void = () => {}): Promise<AbortSignal> {
    attempt(this.#path, () => {
      this.#made = makeFolder(resolve(this.#path));
      accessSync(this.#path, constants.W_OK);
    });
    const path = this.path('lock');
    try {
      this.#lock = await lockFolder(path, onWait);
      return this.#lock.lost;
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** Releases the lock, and removes the folders made for a run that has written nothing. */
  release(): void {
    this.#lock?.release();
    this.#lock = undefined;
    try {
      for (const folder of this.#made) rmdirSync(folder);
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
    return ['model.safetensors', 'model.onnx', 'report.json'].map((name) => this.path(name)).find((path) => existsSync(path));
  }

  /** @throws InputError when it cannot be read or is damaged. */
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
   * Writes a file under a temporary name, waits until it is on the disk, and renames it. write-file-atomic takes a short write,
   * as on a full disk, for a whole one, and has no place of its own for the temporary file, which the lock needs.
   * @throws UsageError when that fails, or when another process has taken over the folder; the previous file is then still there.
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
   * The log, empty when there is none. That of a killed run may be ahead of its checkpoint.
   * @throws InputError when it cannot be read, naming the first line that is none of a log.
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
 * Makes a folder and those above it. Node's own recursive mkdir never ends where the system says ENOENT below a folder that exists.
 * @returns those that were not there, the innermost first.
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

/** A failure of the file system as a line for the user; other errors pass. */
function writeError(path: string, error: unknown): unknown {
  const reason = whyNotWritten(error);
  return reason === undefined ? error : new UsageError(`${path}: cannot be used, ${reason}`, { cause: error });
}
