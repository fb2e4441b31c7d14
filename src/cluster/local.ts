/** This machine: one task after the other, or some at once. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { processEnvironment } from '../environment.ts';
import type { Engine, Handed, Look } from './engine.ts';
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
  start: async (work, options) => handed(work, options),
};

function numbered({ task: words }: Work, task: number): string[] {
  return words.map((word) => word.replaceAll(TASK, String(task)));
}

function handed(work: Work, { jobs = 1, retries }: EngineOptions): Handed {
  const stopping = new AbortController();
  const waiting = [...work.tasks];
  const ended = new Map<number, string>();
  let running = 0;
  const run = async () => {
    for (let task = waiting.shift(); task !== undefined && !stopping.signal.aborted; task = waiting.shift()) {
      running++;
      const log = join(work.folder, 'logs', `${task}.txt`);
      for (let attempt = 0; ; attempt++) {
        const code = await runTask(work, task, log, stopping.signal);
        ended.set(task, code === 0 ? 'ended without a result' : `failed, see ${log}`);
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

/** @returns its exit code; 128 when it was killed or did not start */
function runTask(work: Work, task: number, log: string, signal: AbortSignal): Promise<number> {
  const [program, ...words] = [...work.program, ...numbered(work, task)];
  const output = openSync(log, 'a');
  const child = spawn(program as string, words, {
    cwd: work.cwd,
    env: { ...processEnvironment(), ...work.environment },
    stdio: ['ignore', output, output],
    detached: true, // a terminal's Ctrl-C reaches it once, through `stop`
  });
  closeSync(output);
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  return new Promise((resolve) => {
    child.once('error', () => resolve(128));
    child.once('exit', (code) => {
      signal.removeEventListener('abort', stop);
      resolve(code ?? 128);
    });
  });
}
