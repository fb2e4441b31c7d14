/** Errors of tasks: one file per task in the folder of the work, so that equal errors are reported once. */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type ErrorCode, WrnError } from '../errors.ts';
import type { TaskFailure } from './work.ts';

const folderOf = (folder: string) => join(folder, 'failed');
const pathOf = (folder: string, task: number) => join(folderOf(folder), `${task}.json`);

/** Runs a task and records its error, except an interruption. Throws what the task throws. */
export async function noteFailure(folder: string, task: number, run: () => Promise<void>): Promise<void> {
  try {
    await run();
    rmSync(pathOf(folder, task), { force: true });
  } catch (error) {
    if (error instanceof WrnError && error.code !== 'WRN_INTERRUPTED') note(folder, task, error);
    throw error;
  }
}

function note(folder: string, task: number, { code, message }: WrnError): void {
  const temporary = `${pathOf(folder, task)}.${hostname()}-${process.pid}`;
  try {
    writeFileSync(temporary, JSON.stringify({ code, message }));
    renameSync(temporary, pathOf(folder, task));
  } catch {
    // this machine cannot see the folder; the error is also in the log
  }
}

/** Removes recorded errors before the tasks run again. */
export function forgetFailures(folder: string, tasks: readonly number[]): void {
  for (const task of tasks) rmSync(pathOf(folder, task), { force: true });
}

/** Reads the recorded errors of these tasks. */
export function readFailures(folder: string, tasks: readonly number[]): TaskFailure[] {
  const noted = new Set(list(folderOf(folder)));
  return tasks
    .filter((task) => noted.has(`${task}.json`))
    .flatMap((task) => {
      try {
        const { code, message } = JSON.parse(readFileSync(pathOf(folder, task), 'utf8')) as { code: ErrorCode; message: string };
        return [{ task, code, message: String(message) }];
      } catch {
        return [];
      }
    });
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
