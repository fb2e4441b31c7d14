/**
 * Prevents two training runs from writing into one folder, on one machine or on several with a shared disk.
 *
 * The lock is a folder that holds one folder, whose name is a random token:
 *
 *     lock/<token>/holder    process id, host name, identity
 *     lock/<token>/renewed   a counter that the holder's thread writes at every interval
 *     lock/<token>/...       the holder's unfinished files
 *
 * - It is created by one rename, which fails if a lock exists. So exactly one of several processes gets it.
 * - Another process takes it over only if the holder is known to be dead, or the counter did not change over many checks in
 *   a row. No clocks are compared, neither between machines nor with the file server.
 * - A takeover renames `lock/<token>` away, which can only affect the holder that was checked. A holder that was merely
 *   suspended (SIGSTOP, a closed lid) cannot write any more: it renames finished files out of its own folder, which is gone.
 *
 * proper-lockfile is no alternative: it compares the file's time with the local clock, can remove a lock that another process
 * has just taken over, and does not stop a holder that wakes up.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { identify, isRunning } from '../../data/files/process-identity.ts';
import { UsageError } from '../../errors.ts';
import { builtFile } from '../../package-files.ts';
import { printable } from '../../printable.ts';

/** Milliseconds between two renewals of the holder, and between two checks of a process that waits. */
const INTERVAL = 1000;
/** Checks without a renewal until a holder counts as dead. Counted, not timed, because the watching process may be suspended, too. */
const PATIENCE = 30;

export interface FolderLock {
  /** Folder for unfinished files, on the same disk. It disappears with the lock, so that a rename out of it then fails. */
  readonly workspace: string;
  /** Fires when another process has taken over the lock. Its reason is a UsageError. */
  readonly lost: AbortSignal;
  /** @throws UsageError when the lock is lost */
  check(): void;
  release(): void;
}

/**
 * Takes the lock.
 * @param path of the lock, in a writable folder
 * @param onWait gets a line for the user if it takes a while to see whether the holder is alive
 * @param interval milliseconds between two renewals and between two checks, the same for all processes that use the folder
 * @throws UsageError when another process holds it; passes on file system errors
 */
export async function lockFolder(path: string, onWait: (line: string) => void, interval = INTERVAL): Promise<FolderLock> {
  const token = randomUUID();
  let watched: Found | undefined;
  for (let looks = 0; ; looks++) {
    const found = look(path);
    if (found === undefined) {
      if (install(path, token)) break;
      if (looks > PATIENCE) throw new UsageError(`${path}: cannot be locked. Remove it, or choose another folder`);
    } else {
      if (found.runs || (found.token === watched?.token && found.renewed !== watched.renewed)) {
        throw new UsageError(`${path}: ${found.holder} is using this folder. Stop it, or choose another folder`);
      }
      if (found.token !== watched?.token) looks = 0;
      if (found.runs === false || looks >= PATIENCE) {
        moveAway(path, found.token, token);
        continue;
      }
      if (looks === (found.isWhole ? 0 : 1))
        onWait(`${path}: ${found.holder} may still be training here. Watching it for up to ${(PATIENCE * interval) / 1000} seconds`);
      watched = found;
    }
    await sleep(interval);
  }
  sweep(path);
  return hold(path, token, interval);
}

/** @returns whether we got the lock */
function install(path: string, token: string): boolean {
  const prepared = `${path}-${token}`;
  const taken = ['ENOTEMPTY', 'EEXIST', 'ENOENT', ...(process.platform === 'win32' ? ['EPERM', 'EACCES'] : [])];
  try {
    unless(taken, () => rmdirSync(path)); // a process that ends between two calls leaves an empty folder
    return (
      unless(taken, () => {
        mkdirSync(prepared);
        mkdirSync(join(prepared, token));
        const holder = [process.pid, hostname(), identify(process.pid) ?? ''].join('\n');
        writeFileSync(join(prepared, token, 'holder'), holder);
        writeFileSync(join(prepared, token, 'renewed'), '0');
        renameSync(prepared, path);
        return true;
      }) ?? false
    );
  } finally {
    discard(prepared);
  }
}

interface Found {
  readonly token: string;
  readonly renewed: string;
  /** Description for the user. */
  readonly holder: string;
  /** Whether it says who holds it: it does not while it is taken over or released, and is mostly gone at the next look. */
  readonly isWhole: boolean;
  /** Whether its process runs; undefined if that is not visible from here. */
  readonly runs: boolean | undefined;
}

function look(path: string): Found | undefined {
  const gone = ['ENOENT', 'ESTALE'];
  const [token] = unless(gone, () => readdirSync(path)) ?? [];
  if (token === undefined) return undefined;
  if (!/^[0-9a-f-]{36}$/.test(token)) {
    throw new UsageError(`${path}: expected the lock of a training run, got a folder with ${printable(token)}. Choose another folder`);
  }
  const read = (name: string) => unless(gone, () => readFileSync(join(path, token, name), 'utf8')) ?? '';
  const [pid = '', host = '', identity = ''] = read('holder').split('\n');
  const holder = `process ${printable(pid)} on ${printable(host)}`;
  return { token, renewed: read('renewed'), holder, isWhole: pid !== '', runs: isRunning(Number(pid), identity) };
}

/** Ends the lock with the token `from`, and no other lock. */
function moveAway(path: string, from: string, to: string): void {
  const aside = `${path}-${to}`;
  unless(['ENOENT'], () => renameSync(join(path, from), aside));
  discard(aside);
}

/** Removes the folders of processes that ended while they took the lock. */
function sweep(path: string): void {
  const left = new RegExp(`^${basename(path)}-[0-9a-f-]{36}$`);
  for (const name of readdirSync(dirname(path))) {
    if (left.test(name)) discard(join(dirname(path), name));
  }
}

/** Removes a folder if possible. One that stays does no harm. */
function discard(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {}
}

function hold(path: string, token: string, interval: number): FolderLock {
  const workspace = join(path, token);
  const lost = new AbortController();
  const renewal = new Worker(builtFile('node/lock-renewal.js'), {
    workerData: { path: join(workspace, 'renewed'), interval },
    execArgv: [],
  });
  renewal.unref();
  const why = new UsageError(
    `${path}: expected the lock of this process, got none or another one. Another process took it over while this one was suspended, or the folder was removed. This process writes nothing more`,
  );
  renewal.on('message', () => lost.abort(why));
  return {
    workspace,
    lost: lost.signal,
    check() {
      if (!existsSync(workspace)) throw why;
    },
    release() {
      void renewal.terminate();
      discard(workspace);
      unless(['ENOENT', 'ENOTEMPTY', 'EEXIST'], () => rmdirSync(path));
    },
  };
}

/** Returns the result of `action`; undefined if it fails with one of these system error codes. */
function unless<T>(codes: readonly string[], action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof Error && 'code' in error && codes.includes(String(error.code))) return undefined;
    throw error;
  }
}
