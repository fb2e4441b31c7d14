/** Temporary names that identify their process, so that the next process can remove what a killed one left behind. */
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '#builtin';
import { identify, isRunning } from './process-identity.ts';

/** `.wrn-onnx-<process id>-<start time>-<machine and container>-<random>.tmp` */
const NAME = /^\.wrn-onnx-(\d{1,10})-(\d+)-([0-9a-f]{12})-[0-9a-f]{12}\.tmp$/;

/** Age at which a file from another machine or container counts as left behind, since we cannot see its processes. Longer than any write. */
const FOREIGN_MILLISECONDS = 24 * 60 * 60 * 1000;

interface Identity {
  /** Machine, boot and container. */
  readonly place: string;
  /** Start time of the process; 0 if the system does not provide it. */
  readonly start: string;
}

function identity(): Identity {
  const words = identify(process.pid)?.split(' ');
  return words ? { place: words.slice(0, -2).join(' '), start: words.at(-1) ?? '0' } : { place: hostname(), start: '0' };
}

function digest(place: string): string {
  return sha256(place).slice(0, 12);
}

/** A file name that is unique across processes and calls. It is short and independent of the target's name, which may have the maximum length. */
export function temporaryName(): string {
  const { place, start } = identity();
  return `.wrn-onnx-${process.pid}-${start}-${digest(place)}-${randomBytes(6).toString('hex')}.tmp`;
}

/**
 * Removes the temporary files of dead processes from a folder. Files that cannot be removed stay and do no harm.
 * @returns whether another process may still be writing there
 */
export function sweep(folder: string): boolean {
  const us = identity();
  let busy = false;
  for (const name of list(folder)) {
    const [matches, pid = '', start = '', place] = NAME.exec(name) ?? [];
    if (matches === undefined || (Number(pid) === process.pid && start === us.start && place === digest(us.place))) continue;
    const path = join(folder, name);
    try {
      const { uid, mtimeMs } = lstatSync(path);
      if (process.getuid && uid !== process.getuid()) continue; // never touch another user's files: in a shared folder they could be a trap
      const gone =
        place === digest(us.place) ? isGone(Number(pid), `${us.place} ${pid} ${start}`) : Date.now() - mtimeMs > FOREIGN_MILLISECONDS;
      if (gone) rmSync(path, { recursive: true, force: true });
      else busy = true;
    } catch {
      busy = true;
    }
  }
  return busy;
}

/** Creates a private temporary folder, and removes those of killed processes beside it. The caller removes the folder. */
export function makeScratch(parent = tmpdir()): string {
  sweep(parent);
  const path = join(parent, temporaryName());
  mkdirSync(path, { mode: 0o700 });
  return path;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isGone(pid: number, identity: string): boolean {
  const runs = isRunning(pid, identity);
  if (runs !== undefined) return !runs;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}
