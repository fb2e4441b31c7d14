/** This machine: runs tasks one after another, or several in parallel. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { processEnvironment } from '../environment.ts';
import type { Engine, Look, Submitted } from './engine.ts';
import { ranges, shellCommand } from './shell.ts';
import { type EngineOptions, FINAL_EXIT_CODES, TASK, type Work } from './work.ts';

export const local: Engine = {
  options: ['jobs'],
  check() {},
  render(work) {
    const commands = work.tasks.map((task) => shellCommand([...work.program, ...numbered(work, task)]));
    return [`cd ${shellCommand([work.cwd])} # tasks ${ranges(work.tasks)}`, ...commands, ''].join('\n');
  },
  find: async () => undefined,
  start: async (work, options) => submitted(work, options),
};

function numbered({ task: words }: Work, task: number): string[] {
  return words.map((word) => word.replaceAll(TASK, String(task)));
}

function submitted(work: Work, { jobs = 1, retries }: EngineOptions): Submitted {
  const stopping = new AbortController();
  const waiting = [...work.tasks];
  const ended = new Map<number, string>();
  let running = 0;
  const run = async () => {
    for (let task = waiting.shift(); task !== undefined && !stopping.signal.aborted; task = waiting.shift()) {
      running++;
      const log = join(work.folder, 'logs', `${task}.txt`);
      for (let attempt = 0; ; attempt++) {
        const { code, problem } = await runTask(work, task, log, stopping.signal);
        ended.set(task, problem);
        if (FINAL_EXIT_CODES.includes(code) || attempt >= retries || stopping.signal.aborted) break;
      }
      running--;
    }
  };
  const all = Promise.all(Array.from({ length: Math.min(jobs, work.tasks.length) }, run));
  return {
    name: 'this machine',
    look: async (): Promise<Look> => ({ running, waiting: waiting.length, reason: '', ended: new Map(ended) }),
    async leave() {
      stopping.abort();
      await all;
      return 'stopped';
    },
  };
}

/** Exit code of a task that was killed or did not start. */
const CRASHED = 128;

/** Runs a task. Never throws: `problem` says what went wrong, in case the task left no result. */
async function runTask(work: Work, task: number, log: string, signal: AbortSignal): Promise<{ code: number; problem: string }> {
  const [program, ...words] = [...work.program, ...numbered(work, task)];
  try {
    const child = spawnLogged(program as string, words, work, log);
    const stop = () => child.kill('SIGTERM');
    signal.addEventListener('abort', stop, { once: true });
    const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('exit', resolve));
    signal.removeEventListener('abort', stop);
    return { code: code ?? CRASHED, problem: code === 0 ? 'ended without a result' : `failed, see ${log}` };
  } catch (error) {
    return { code: CRASHED, problem: `did not start: ${(error as Error).message}` };
  }
}

function spawnLogged(program: string, words: readonly string[], { cwd, environment }: Work, log: string): ChildProcess {
  const output = openSync(log, 'a');
  try {
    return spawn(program, words, {
      cwd,
      env: { ...processEnvironment(), ...environment },
      stdio: ['ignore', output, output],
      detached: true, // a terminal's Ctrl-C reaches it once, through `stop`
    });
  } finally {
    closeSync(output);
  }
}
