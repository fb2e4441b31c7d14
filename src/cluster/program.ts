/** Runs the programs of an engine: sbatch, squeue, kubectl. */
import { execFile } from 'node:child_process';
import { DeviceError } from '../errors.ts';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Limit of output: many times one line per task of a large job. */
const MAX_OUTPUT = 2 ** 28;

/**
 * Runs a program to its end, without a shell.
 * @param missing what to do when it is not installed
 * @throws DeviceError when it is not installed
 */
export function runProgram(
  name: string,
  args: readonly string[],
  { input = '', missing }: { input?: string; missing: string },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = execFile(name, [...args], { maxBuffer: MAX_OUTPUT }, (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') reject(new DeviceError(`${name}: expected this program, got none. ${missing}`, { cause: error }));
      else resolve({ code: error ? (typeof error.code === 'number' ? error.code : 1) : 0, stdout, stderr });
    });
    child.stdin?.on('error', () => {}); // it ended before it read its input
    child.stdin?.end(input);
  });
}
