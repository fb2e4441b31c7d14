import { fileURLToPath } from 'node:url';

/**
 * Path of a built file of this folder: child processes and pages run from dist, even when this code runs
 * from its TypeScript sources, as in the tests.
 */
export function built(path: string): string {
  const fromSources = import.meta.url.endsWith('.ts');
  return fileURLToPath(new URL(fromSources ? `../../dist/eval/backends/${path}` : path, import.meta.url));
}
