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
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../errors.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { type LogEntry, readLog } from './log.ts';

export class RunFolder {
  readonly #path: string;

  /** @throws UsageError when the folder cannot be made or written. */
  constructor(path: string) {
    this.#path = path;
    attempt(path, () => {
      mkdirSync(path, { recursive: true });
      accessSync(path, constants.W_OK);
    });
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

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist and cannot be made',
  EACCES: 'permission denied',
  EROFS: 'its file system is read-only',
  ENOSPC: 'no space is left on its disk',
  EDQUOT: 'the quota of its disk is used up',
};

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) throw error;
    const code = String(error.code);
    throw new UsageError(`${path}: cannot be used, ${reasons[code] ?? code}`);
  }
}
