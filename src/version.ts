/** The version of the package. */
import { readFileSync } from 'node:fs';
import { packageFile } from './package-files.ts';

function readVersion(): string {
  try {
    const json: unknown = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
    if (typeof json === 'object' && json !== null && 'version' in json) return String(json.version);
  } catch {}
  return 'unknown';
}

/** Version of the package. */
export const version = readVersion();
