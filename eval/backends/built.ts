import { fileURLToPath } from 'node:url';

/**
 * Path of a built file below `eval`: child processes, threads and pages run from dist, even when this code runs from its
 * TypeScript sources, as in the tests.
 */
export function built(path: string): string {
  const folder = import.meta.url.endsWith('.ts') ? '../../dist/eval/' : '../';
  return fileURLToPath(new URL(folder + path, import.meta.url));
}
