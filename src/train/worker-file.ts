import { fileURLToPath } from 'node:url';

/** Path of a thread's code in this folder. Threads run from the built files even if their caller runs from TypeScript, as in the tests. */
export function workerFile(name: string): string {
  return fileURLToPath(new URL(`${import.meta.url.endsWith('.ts') ? '../../dist/src/train/' : ''}${name}.js`, import.meta.url));
}
