/** Files of the package, found the same way from its sources, its modules and its bundles. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json: the nearest one above this file. */
function findRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
  }
  return here;
}

const root = findRoot();

/** Path of a file of the package. */
export function packageFile(path: string): string {
  return join(root, path);
}

/** Path of a built file: threads, child processes and pages run from dist, even when their caller runs from TypeScript, as in the tests. */
export function builtFile(path: string): string {
  return join(root, 'dist', path);
}
