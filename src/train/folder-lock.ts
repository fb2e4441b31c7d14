/** Keeps two trainings from writing into one folder. */
import { closeSync, constants, copyFileSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { UsageError } from '../errors.ts';

/** More than any crowd of processes needs that want the folder at once. */
const ATTEMPTS = 100;
/** Longer than `remove` takes. */
const SETTLE_MILLISECONDS = 50;

/**
 * Writes the file that says which process has the folder. One that a process has left behind, or that comes from another
 * machine, is taken over: a training that was interrupted goes on without a hand, in a new container too.
 * @param path of that file, in a folder that can be written.
 * @returns a function that gives the folder free.
 * @throws UsageError when another process of this machine has it; what the file system says when the file cannot be written.
 */
export function lockFolder(path: string): () => void {
  const mine = `${process.pid} ${hostname()}\n`;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (unless('EEXIST', () => create(path, mine)) && isStill(path, mine)) return () => void unless('ENOENT', () => remove(path, mine));
    unless('ENOENT', () => {
      const found = readFileSync(path, 'utf8');
      const owner = runningOwner(found);
      if (owner !== undefined)
        throw new UsageError(
          `${path}: process ${owner} has this folder. Stop it, or take another one; if it does not train, remove that file`,
        );
      remove(path, found);
    });
  }
  throw new UsageError(`${path}: cannot be taken, remove that file`);
}

function create(path: string, content: string): true {
  const file = openSync(path, 'wx');
  try {
    writeSync(file, content);
    return true;
  } catch (error) {
    rmSync(path, { force: true }); // the disk is full
    throw error;
  } finally {
    closeSync(file);
  }
}

/** Whether the file is the same a little later: who takes over what was left behind may for a moment have this one in hand. */
function isStill(path: string, content: string): boolean {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETTLE_MILLISECONDS);
  return unless('ENOENT', () => readFileSync(path, 'utf8')) === content;
}

/** Removes the file if this is what stands in it: between reading and removing, another process may have put its own there. */
function remove(path: string, content: string): void {
  const aside = `${path}.${process.pid}`;
  renameSync(path, aside); // of many, one process gets it
  try {
    if (readFileSync(aside, 'utf8') !== content) unless('EEXIST', () => copyFileSync(aside, path, constants.COPYFILE_EXCL));
  } finally {
    rmSync(aside);
  }
}

/** Process that wrote this, when it is another one of this machine and still there. */
function runningOwner(content: string): number | undefined {
  const [pid, host] = content.trim().split(' ');
  const owner = Number(pid);
  if (!Number.isSafeInteger(owner) || owner < 1 || owner === process.pid || host !== hostname()) return undefined;
  const exists = unless('ESRCH', () => unless('EPERM', () => process.kill(owner, 0)) ?? true); // another user's, where it may not be signalled
  return exists ? owner : undefined;
}

/** What `action` gives; undefined when it fails with this code of the system. */
function unless<T>(code: string, action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === code) return undefined;
    throw error;
  }
}
