import { fileURLToPath } from 'node:url';

/** Path of the code of a thread of this folder. A thread runs from the built files even when its caller runs from TypeScript, as in the tests. */
export function workerFile(name: string): string {
  return fileURLToPath(new URL(`${import.meta.url.endsWith('.ts') ? '../../dist/src/train/' : ''}${name}.js`, import.meta.url));
}
