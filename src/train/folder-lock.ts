/** Keeps two trainings from writing into one folder. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { UsageError } from '../errors.ts';

/**
 * Writes the file that says which process has the folder. One that a process has left behind, or that comes from another
 * machine, is taken over: a training that was interrupted goes on without a hand, in a new container too.
 * @param path of that file, in a folder that can be written.
 * @returns a function that gives the folder free.
 * @throws UsageError when another process of this machine has it; what the file system says when the file cannot be written.
 */
export function lockFolder(path: string): () => void {
  for (;;) {
    try {
      writeFileSync(path, `${process.pid} ${hostname()}\n`, { flag: 'wx' });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      const owner = runningOwner(path);
      if (owner !== undefined)
        throw new UsageError(`${path}: process ${owner} is training in this folder. Stop it, or take another folder`);
      rmSync(path, { force: true });
    }
  }
}

/** Process that wrote the file, when it is another one of this machine and still there. */
function runningOwner(path: string): number | undefined {
  const [pid, host] = readFileSync(path, 'utf8').trim().split(' ');
  const owner = Number(pid);
  if (!Number.isSafeInteger(owner) || owner < 1 || owner === process.pid || host !== hostname()) return undefined;
  try {
    process.kill(owner, 0);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return undefined;
  }
  return owner;
}
