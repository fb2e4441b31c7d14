/** What numbers are measured on. */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';

/** Linux's names of the instruction sets that decide the speed of the kernels, and the usual ones. */
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

/** Model of the processor, number of cores, and instruction sets where the system tells. */
export async function processor(): Promise<string> {
  const flags = await readFile('/proc/cpuinfo', 'utf8').then(
    (text) => new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1]?.trim().split(' ')),
    () => new Set<string>(),
  );
  const found = Object.entries(instructionSets).flatMap(([flag, name]) => (flags.has(flag) ? [name] : []));
  const cores = cpus();
  return [cores[0]?.model.trim(), `${cores.length} cores`, ...found].join(', ');
}

/** The processor, the system and the version of Node. */
export async function machine(): Promise<string> {
  return `${await processor()}; ${process.platform} ${process.arch}; Node ${process.version}`;
}
