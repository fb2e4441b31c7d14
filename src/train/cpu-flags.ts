import { readFileSync } from 'node:fs';

let flags: ReadonlySet<string> | undefined;

/** The processor's instruction sets by Linux's names, `avx512f` for example; empty where the system does not tell. */
export function cpuFlags(): ReadonlySet<string> {
  flags ??= readFlags(); // asked for by every convolution of an eager step
  return flags;
}

function readFlags(): ReadonlySet<string> {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8');
    return new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/));
  } catch {
    return new Set();
  }
}
