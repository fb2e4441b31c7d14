import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** The built command line; `npm test` builds it before the tests. */
export const cli = fileURLToPath(new URL('../../dist/node/cli.js', import.meta.url));

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  /** Gets the process as soon as it runs, to signal it. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** Runs `wrn-onnx` with these arguments to its end, in a process of its own, without a terminal. */
export async function run(args: readonly string[], { env, onStart }: RunOptions = {}): Promise<Run> {
  const child = spawn(process.execPath, [cli, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  onStart?.(child);
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { status, stdout, stderr };
}

/**
 * Signals a command, once it has started a runtime, and what runs in its process group, as a terminal, `timeout` and
 * job schedulers do. Where the system does not list processes, the command alone, after a while.
 */
export function interrupt(child: ChildProcess, signal: NodeJS.Signals): void {
  const pid = child.pid as number;
  if (process.platform !== 'linux') {
    setTimeout(() => child.kill(signal), 4000);
    return;
  }
  const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  const groupOf = (process: number) => readFileSync(`/proc/${process}/stat`, 'utf8').split(') ')[1]?.split(' ')[2];
  const timer = setInterval(() => {
    if (children().length === 0) return;
    clearInterval(timer);
    setTimeout(() => {
      for (const one of [...children().filter((process) => groupOf(process) === groupOf(pid)), pid]) process.kill(one, signal);
    }, 1000);
  }, 20);
}
