/** Real files that tests read beside the project; a test without its file is skipped and says which file it lacks. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';

const root = fileURLToPath(new URL('../../shared/', import.meta.url));

/** Path of a file in ../shared, or undefined when it is not there. */
export function shared(path: string): string | undefined {
  return existsSync(root + path) ? root + path : undefined;
}

export const models = {
  keras: 'models/mcdonnell/CIFAR10_allparams.mat',
  matlab: 'models/mcdonnell/TrainedWideResNet20-10_CIFAR10_1-bit-per-weight-4MB.mat',
} as const;

/** Runs a test with the path of a file of ../shared. */
export function testWith(path: string, name: string, body: (file: string) => Promise<void> | void, timeout?: number): void {
  const file = shared(path);
  if (file === undefined) test.skip(`${name} [needs shared/${path}]`, () => {});
  else test(name, () => body(file), timeout);
}
