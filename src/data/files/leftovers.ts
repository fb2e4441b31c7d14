/** Temporary names that say whose they are: what a killed process leaves behind is cleared by the next one, and blocks nobody. */
import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, isRunning } from './process-identity.ts';

/** `.wrn-onnx-<process>-<when it started>-<machine and container>-<random>.tmp` */
const NAME = /^\.wrn-onnx-(\d{1,10})-(\d+)-([0-9a-f]{12})-[0-9a-f]{12}\.tmp$/;

/** Of another machine or container that shares the disk, whose processes cannot be seen: longer than any write and its check take. */
const FOREIGN_MILLISECONDS = 24 * 60 * 60 * 1000;

interface Identity {
  /** Machine, boot and container. */
  readonly place: string;
  /** When the process started; 0 where the system does not tell. */
  readonly start: string;
}

function identity(): Identity {
  const words = identify(process.pid)?.split(' ');
  return words ? { place: words.slice(0, -2).join(' '), start: words.at(-1) ?? '0' } : { place: hostname(), start: '0' };
}

function digest(place: string): string {
  return createHash('sha256').update(place).digest('hex').slice(0, 12);
}

/** A file name that no other process and no other call has. Short, so that a target's name may be as long as the file system allows. */
export function temporaryName(): string {
  const { place, start } = identity();
  return `.wrn-onnx-${process.pid}-${start}-${digest(place)}-${randomBytes(6).toString('hex')}.tmp`;
}

/**
 * Removes what processes that are gone left in a folder. What cannot be removed stays: it does no harm.
 * @returns whether another process may still be writing there.
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
      if (process.getuid && uid !== process.getuid()) continue; // a trap in a folder that others can write, or their own business
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

/** A folder of its own for temporary files, after what killed processes left beside it is cleared. The caller removes it. */
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
