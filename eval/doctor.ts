/** What this machine has for the project, found by trying it, and what each missing piece needs. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { toOnnx } from '../converters/onnx/to-onnx.ts';
import { catalog } from '../src/data/catalog.ts';
import { dataSetPath, isPresent } from '../src/data/stored.ts';
import { defaultConfig } from '../src/network/config.ts';
import { packedLength } from '../src/network/sign.ts';
import { bitTensor, elements, floatTensor } from '../src/network/tensor.ts';
import { parameters } from '../src/network/topology.ts';
import type { BackendOptions } from './backends/backend.ts';
import { backendNames, backends } from './backends/table.ts';
import { findBrowser, requireBrowser } from './browser/find.ts';
import { readClassifier } from './model-input.ts';

export interface Finding {
  readonly area: 'machine' | 'backend' | 'training' | 'data';
  readonly name: string;
  readonly ok: boolean;
  /** What is here; or what is missing and what to do, in one line. */
  readonly detail: string;
}

export interface DoctorOptions extends Pick<BackendOptions, 'browser' | 'softwareGpu'> {
  readonly dataFolder: string;
}

/** Examines the machine, one finding after the other. A backend is tried with a small network: what is reported as working has worked. */
export async function* examine(options: DoctorOptions): AsyncGenerator<Finding, void, undefined> {
  yield node();
  yield await processor();
  yield { area: 'machine', name: 'memory', ok: true, detail: `${(totalmem() / 2 ** 30).toFixed(1)} GiB` };
  yield await browser(options.browser);
  const model = probe();
  for (const name of backendNames) yield { area: 'backend', name, ...(await works(name, model, options)) };
  yield await tfjsNode();
  for (const entry of catalog) {
    const ok = await isPresent(entry, options.dataFolder);
    yield {
      area: 'data',
      name: entry.name,
      ok,
      detail: ok ? dataSetPath(entry, options.dataFolder) : `not here. Get it with: wrn-onnx data get ${entry.name}`,
    };
  }
}

type Verdict = Pick<Finding, 'ok' | 'detail'>;

/** Versions that the project is tested with. */
const NODE = { oldest: 20, newest: 24 };

function node(): Finding {
  const major = Number.parseInt(process.versions.node, 10);
  const ok = major >= NODE.oldest && major <= NODE.newest;
  const detail = ok ? process.version : `${process.version}: expected Node ${NODE.oldest} to ${NODE.newest}. Install one of these`;
  return { area: 'machine', name: 'node', ok, detail };
}

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

async function processor(): Promise<Finding> {
  const flags = await readFile('/proc/cpuinfo', 'utf8').then(
    (text) => new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1]?.trim().split(' ')),
    () => new Set<string>(),
  );
  const found = Object.entries(instructionSets).flatMap(([flag, name]) => (flags.has(flag) ? [name] : []));
  const cores = cpus();
  return { area: 'machine', name: 'cpu', ok: true, detail: [cores[0]?.model.trim(), `${cores.length} cores`, ...found].join(', ') };
}

async function browser(chosen: string | undefined): Promise<Finding> {
  return { area: 'machine', name: 'browser', ...(await verdict(async () => findBrowser(chosen) ?? requireBrowser(chosen))) };
}

/** Loads the small network on a backend and runs one image. */
function works(name: keyof typeof backends, model: Uint8Array, options: DoctorOptions): Promise<Verdict> {
  return verdict(async () => {
    const { input } = readClassifier(model);
    const session = await backends[name].open(model, input, { ...options, batch: 1 });
    try {
      const { outputs } = await session.run(new Uint8Array(elements([input.channels, input.height, input.width])), 1);
      const logits = outputs['logits']?.data;
      if (!logits?.every(Number.isFinite)) throw new Error(`expected finite logits, got ${logits}`);
      return session.detail;
    } finally {
      await session.close();
    }
  });
}

async function verdict(attempt: () => Promise<string>): Promise<Verdict> {
  return attempt().then(
    (detail) => ({ ok: true, detail }),
    (error: unknown) => ({ ok: false, detail: (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '' }),
  );
}

/** WRN-8 with four channels on 8 x 8 pixels: every kind of layer, in a few kilobytes. */
function probe(): Uint8Array {
  const config = { ...defaultConfig, depth: 8, width: 1 / 4, input: { channels: 3, height: 8, width: 8 } };
  const tensors = parameters(config).map(({ name, shape, dtype }) => {
    const count = elements(shape);
    return [
      name,
      dtype === 'bits' ? bitTensor(shape, new Uint8Array(packedLength(count))) : floatTensor(shape, new Float32Array(count).fill(1)),
    ] as const;
  });
  return toOnnx({ config, tensors: new Map(tensors), about: { dialect: 'wrn-onnx' } }, { form: 'packed', input: 'nchw-float' });
}

/** Loads tfjs-node in a process of its own: its native library is large and prints what it likes. */
async function tfjsNode(): Promise<Finding> {
  const found = { area: 'training', name: 'tfjs-node' } as const;
  const advice = 'Only training needs it: npm run setup:tfjs';
  const path = resolve('@tensorflow/tfjs-node');
  if (path === undefined) return { ...found, ok: false, detail: `not installed. ${advice}` };
  const script = `console.log(require(${JSON.stringify(path)}).version['tfjs-node'])`;
  return promisify(execFile)(process.execPath, ['-e', script], { env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' } }).then(
    ({ stdout }) => ({ ...found, ok: true, detail: stdout.trim() }),
    () => ({ ...found, ok: false, detail: `its native library does not load. ${advice}` }),
  );
}

function resolve(name: string): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch {
    return undefined;
  }
}
