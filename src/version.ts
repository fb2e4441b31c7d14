import { readFileSync } from 'node:fs';

/** package.json stands one folder above src in the sources and two above dist/src. */
function readVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const json: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'));
      if (typeof json === 'object' && json !== null && 'version' in json) return String(json.version);
    } catch {}
  }
  return 'unknown';
}

/** Version of the package. */
export const version = readVersion();
