/** Whether a process of this machine still runs, safe against reused process numbers and equal host names. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Text that no other process has: this boot of the machine, the PID namespace (that of the container), the host name, the
 * process number and the time when it started. Undefined where there is no such process, or the system does not tell (all but Linux).
 */
export function identify(pid: number): string | undefined {
  const place = thisPlace();
  try {
    // after the name in parentheses, from field 3 on: proc_pid_stat(5)
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /s, '').split(' ');
    return place && `${place} ${pid} ${state === 'Z' || state === 'X' ? 'dead' : fields[18]}`;
  } catch {
    return undefined;
  }
}

/** Whether the process with this identity runs; undefined when that cannot be seen from here. */
export function isRunning(pid: number, identity: string): boolean | undefined {
  const place = thisPlace();
  if (place === undefined || !identity.startsWith(`${place} `)) return undefined;
  const now = identify(pid);
  if (now !== undefined) return now === identity;
  try {
    process.kill(pid, 0);
    return undefined; // /proc hides the processes of other users
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH' ? false : undefined;
  }
}

/** Boot, container and host name; undefined where the system does not tell. */
function thisPlace(): string | undefined {
  try {
    return [readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(), readlinkSync('/proc/self/ns/pid'), hostname()].join(' ');
  } catch {
    return undefined;
  }
}
