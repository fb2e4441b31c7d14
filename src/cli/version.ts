import { readFileSync } from 'node:fs';

/** Version of the package; package.json stands two folders above dist/src/cli as well as above src/cli in the sources. */
function readVersion(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const json: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'));
      if (typeof json === 'object' && json !== null && 'version' in json) return String(json.version);
    } catch {}
  }
  return 'unknown';
}

export const version = readVersion();
