/** Resident memory of a process, from /proc. */
import { readFileSync } from 'node:fs';

/**
 * Bytes used by the program that a process runs now: unlike getrusage, without the memory of the parent that it was forked
 * from. Undefined if the operating system does not tell.
 */
export function peakMemory(pid: number): number | undefined {
  return statusBytes(pid, 'VmHWM');
}

/** Bytes that it uses at the moment. */
export function residentMemory(pid: number): number | undefined {
  return statusBytes(pid, 'VmRSS');
}

function statusBytes(pid: number, field: string): number | undefined {
  try {
    const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}
