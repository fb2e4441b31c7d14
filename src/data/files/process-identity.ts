/** Whether a process still runs. Robust against reused process ids and equal host names. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * A unique text for a process: boot id, PID namespace (the container's), host name, process id and start time.
 * Undefined if there is no such process, or the system does not provide these (all except Linux).
 */
export function identify(pid: number): string | undefined {
  const place = thisPlace();
  try {
    // fields from the third on follow the name in parentheses: proc_pid_stat(5)
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /s, '').split(' ');
    return place && `${place} ${pid} ${state === 'Z' || state === 'X' ? 'dead' : fields[18]}`;
  } catch {
    return undefined;
  }
}

/** Whether the process with this identity runs; undefined if that is not visible from here. */
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

/** Boot id, container and host name; undefined if the system does not provide them. */
function thisPlace(): string | undefined {
  try {
    return [readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(), readlinkSync('/proc/self/ns/pid'), hostname()].join(' ');
  } catch {
    return undefined;
  }
}
