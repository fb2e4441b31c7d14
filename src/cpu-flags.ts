import { readFileSync } from 'node:fs';

/** The processor's instruction sets by Linux's names, `avx512f` for example; empty where the system does not tell. */
export function cpuFlags(): ReadonlySet<string> {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8');
    return new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/));
  } catch {
    return new Set();
  }
}
