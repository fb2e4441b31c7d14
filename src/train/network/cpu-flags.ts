/** Instruction sets of the CPU, which decide between equal ways to compute. */
import { readFileSync } from 'node:fs';

let flags: ReadonlySet<string> | undefined;

/** The CPU's instruction sets by their Linux names, e.g. `avx512f`; empty if the system does not list them. */
export function cpuFlags(): ReadonlySet<string> {
  flags ??= readFlags(); // cached, because every convolution of an eager step reads them
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

/** Linux's names of the instructions that multiply bfloat16 on x86 and on Arm. */
const BF16 = ['amx_bf16', 'avx512_bf16', 'bf16'];

/** The instructions that make training in bfloat16 faster, by their Linux names; undefined if the system lists none. */
export function bf16Instructions(): string | undefined {
  return BF16.find((flag) => cpuFlags().has(flag));
}
