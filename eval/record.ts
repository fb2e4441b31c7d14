/** When, where and how a result was measured, to find and reproduce it. */
import { cpus } from 'node:os';
import { cpuFlags } from '../src/train/network/cpu-flags.ts';

export interface RunRecord {
  /** ISO 8601, UTC. */
  readonly date: string;
  /** Processor, system and version of Node; for merged parts, each different one. */
  readonly machine: string;
  /** The command line, quoted for a POSIX shell. */
  readonly command: string;
}

/** Linux flags of the instruction sets that decide the speed of kernels, and their usual names. */
const instructionSets: Readonly<Record<string, string>> = {
  avx2: 'AVX2',
  avx512f: 'AVX-512',
  avx_vnni: 'AVX-VNNI',
  avx512_vnni: 'AVX-512 VNNI',
  amx_int8: 'AMX',
  asimd: 'NEON',
  asimddp: 'NEON dot product',
  i8mm: 'NEON int8 matrix',
};

/** Model of the processor, number of cores, and instruction sets if the system reports them. */
export function processor(): string {
  const flags = cpuFlags();
  const found = Object.entries(instructionSets).flatMap(([flag, name]) => (flags.has(flag) ? [name] : []));
  const cores = cpus();
  return [cores[0]?.model.trim(), `${cores.length} cores`, ...found].join(', ');
}

/** The processor, the system and the version of Node. */
export function machine(): string {
  return `${processor()}; ${process.platform} ${process.arch}; Node ${process.version}`;
}
