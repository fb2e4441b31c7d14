/**
 * Warnings before a file runs: which form suits which backend, as measured (bench/matrix.txt; `node bench/matrix.mjs`
 * measures again), and whether file and data name their classes alike.
 */
import type { StoredSigns } from '../converters/onnx/forms/inline.ts';
import type { FormName } from '../converters/onnx/forms/table.ts';
import { firstOtherLabel, type ImageSet } from '../src/data/dataset.ts';
import type { RecordedForm } from '../src/network/file-metadata.ts';
import { cpuFlags } from '../src/train/network/cpu-flags.ts';
import { type BackendName, type TableName, tableName } from './backends/table.ts';

export interface Target {
  readonly title: string;
  readonly form: FormName;
  /** Whether 8-bit activations are faster than `form`, when there are calibration images. */
  readonly int8: boolean;
  /** How 8-bit files store their kernels, when something is faster than the way that suits every runtime. */
  readonly signs?: StoredSigns;
  /** Whether the runtime takes floats only. */
  readonly floatsOnly?: boolean;
  /** Batch size, for runtimes without dynamic sizes. */
  readonly batch?: number;
}

/** Targets of `export --for`. */
export const targets = {
  cpu: { title: 'onnxruntime on CPUs', form: 'packed', int8: true },
  'cpu-amx': { title: 'onnxruntime on CPUs with AMX (wrn-onnx doctor names them)', form: 'packed', int8: true, signs: { zeroPoint: 1 } },
  wasm: {
    title: 'onnxruntime-web, WebAssembly; wrn-onnx/onebit runs these files without onnxruntime, and faster',
    form: 'packed',
    int8: true,
    signs: { indices: 'product' },
  },
  webgpu: { title: 'onnxruntime and onnxruntime-web, WebGPU (with shader-f16, try --form fp16)', form: 'packed', int8: false },
  webgl: { title: 'onnxruntime-web, WebGL', form: 'dense', int8: false, floatsOnly: true, batch: 1 },
  fpga: { title: 'qonnx, FINN, hls4ml', form: 'qonnx', int8: false, batch: 1 },
} satisfies Record<string, Target>;

export type TargetName = keyof typeof targets;
export const targetNames = Object.keys(targets) as TargetName[];

const noInt8OnGpu = 'onnxruntime has no 8-bit convolutions there and falls back to the CPU. Use export --for webgpu';

const noFp16OnCpu = (target: TargetName) => `onnxruntime computes it in float32 there, with casts in between. Use export --for ${target}`;

/** Why 8-bit files are a bad choice, whatever their zero points. */
const noInt8 = {
  cuda: 'onnxruntime computes it in float32 there and rounds on top. Use export --form packed',
  webgpu: noInt8OnGpu,
  'browser-webgpu': noInt8OnGpu,
  'remote-webgpu': noInt8OnGpu,
  'browser-webgl': 'WebGL takes no integers. Use export --for webgl',
};

const noAmx = (target: TargetName) => `its zero points cost time without AMX, which is not found there. Use export --for ${target}`;

/** Whether this processor has AMX for 8-bit integers. */
export function hasAmx(): boolean {
  return cpuFlags().has('amx_int8');
}

/** Form -> backend -> why another form is better there. */
const misfits: Readonly<Partial<Record<RecordedForm, Partial<Record<TableName, string>>>>> = {
  int8: noInt8,
  'int8-amx': {
    ...noInt8,
    ...(!hasAmx() && { cpu: noAmx('cpu') }),
    wasm: noAmx('wasm'),
    'browser-wasm': noAmx('wasm'),
    'remote-wasm': noAmx('wasm'),
  },
  fp16: {
    cpu: noFp16OnCpu('cpu'),
    wasm: noFp16OnCpu('wasm'),
    'browser-wasm': noFp16OnCpu('wasm'),
    'remote-wasm': noFp16OnCpu('wasm'),
    'browser-webgl': 'WebGL takes no float16. Use export --for webgl',
  },
};

/** One line on why this form is a bad choice for this backend; undefined when it is not. */
export function misfit(form: RecordedForm, backend: BackendName): string | undefined {
  const why = misfits[form]?.[tableName(backend)];
  return why === undefined ? undefined : `${form} on ${backend}: ${why}`;
}

/**
 * One line on the first class that the file and the data name differently; undefined when they agree or one has no names. Their
 * order may differ, and then the accuracy means nothing; or they use two vocabularies, as ImageNet's folders and labels do.
 */
export function otherLabel(file: readonly string[] | undefined, data: readonly string[] | undefined): string | undefined {
  const index = firstOtherLabel(file, data);
  if (index === undefined) return undefined;
  return `class ${index} is ${file?.[index]} in the file and ${data?.[index]} in the data. Check that both have the same order`;
}

const FEW = 12;

/** One line on the class order assumed for the data when the file cannot confirm it; undefined when it can, or the data are numbered. */
export function assumedOrder(
  file: readonly string[] | undefined,
  { classes, classLabels, classOrder }: Pick<ImageSet, 'classes' | 'classLabels' | 'classOrder'>,
): string | undefined {
  if (file) return undefined;
  if (!classLabels)
    return `neither the file nor the data name their classes: labels 0 to ${classes - 1} of the data are assumed to be the outputs in this order`;
  if (!classOrder) return undefined;
  const shown = classLabels.length > FEW ? [...classLabels.slice(0, FEW - 1), '...', ...classLabels.slice(-1)] : classLabels;
  return `the file does not name its classes: folders are assumed in order of ${classOrder}: ${shown.join(', ')}`;
}
