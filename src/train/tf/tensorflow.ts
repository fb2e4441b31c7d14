/**
 * tfjs-node, loaded on demand, because only TensorFlow's part of the project needs it. The types below cover what we use
 * of it, so that the project builds without it.
 */
import { createRequire } from 'node:module';
import util from 'node:util';
import { setDefaults, setVariables } from '../../environment.ts';
import { DeviceError, UsageError } from '../../errors.ts';
import { packageFile } from '../../package-files.ts';
import { type MathMode, mathVariables } from './math.ts';

export type DataType = 'float32' | 'int32' | 'bool';

export interface Tensor {
  readonly dtype: DataType;
  readonly shape: number[];
  /** Identifies the values. Tensors with the same values share it. */
  readonly dataId: object;
  dataSync(): Float32Array | Int32Array | Uint8Array;
  dispose(): void;
}

/** One attribute of a TensorFlow op; `type` is one of the binding's TF_ATTR constants. */
export interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: AttributeValue | readonly AttributeValue[];
}
export type AttributeValue = string | number | boolean;

/** The native library below tfjs: TensorFlow's ops by name, and SavedModel graphs. */
export interface Backend {
  readonly binding: {
    readonly TF_ATTR_STRING: number;
    readonly TF_ATTR_INT: number;
    readonly TF_ATTR_FLOAT: number;
    readonly TF_ATTR_BOOL: number;
    readonly TF_ATTR_TYPE: number;
    readonly TF_ATTR_SHAPE: number;
    readonly TF_FLOAT: number;
    readonly TF_INT32: number;
    readonly TF_BOOL: number;
    readonly TF_Version: string;
  };
  executeSingleOutput(op: string, attributes: readonly Attribute[], inputs: readonly Tensor[]): Tensor;
  executeMultipleOutputs(op: string, attributes: readonly Attribute[], inputs: readonly Tensor[], outputs: number): Tensor[];
  readSync(dataId: object): Float32Array | Int32Array | Uint8Array;
  loadSavedModelMetaGraph(folder: string, tags: string): number;
  runSavedModel(id: number, inputs: readonly Tensor[], inputInfos: readonly { name: string }[], outputs: readonly string[]): Tensor[];
  deleteSavedModel(id: number): void;
}

type Numbers = number | readonly number[] | Float32Array | Int32Array | Uint8Array;

export interface TensorFlow {
  /** Versions of the tfjs packages. */
  readonly version: { readonly 'tfjs-node': string };
  backend(): Backend;
  /** Number of live tensors and their size in bytes. */
  memory(): { numTensors: number; numBytes: number };
  /** Runs a function and disposes every tensor that it created and does not return. */
  tidy<T>(body: () => T): T;
  keep(tensor: Tensor): Tensor;
  dispose(tensors: Tensor | readonly Tensor[]): void;
  tensor(values: Numbers, shape: readonly number[], dtype?: DataType): Tensor;
  scalar(value: number, dtype?: DataType): Tensor;
  fill(shape: readonly number[], value: number): Tensor;
  add(a: Tensor, b: Tensor | number): Tensor;
  sub(a: Tensor, b: Tensor | number): Tensor;
  mul(a: Tensor, b: Tensor | number): Tensor;
  div(a: Tensor, b: Tensor | number): Tensor;
  abs(x: Tensor): Tensor;
  sum(x: Tensor, axes?: readonly number[]): Tensor;
  mean(x: Tensor, axes?: readonly number[], keepDims?: boolean): Tensor;
  cast(x: Tensor, dtype: DataType): Tensor;
  greaterEqual(a: Tensor, b: Tensor | number): Tensor;
  notEqual(a: Tensor, b: Tensor): Tensor;
  where(condition: Tensor, a: Tensor, b: Tensor): Tensor;
  argMax(x: Tensor, axis: number): Tensor;
  stack(tensors: readonly Tensor[]): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean): Tensor;
  slice(x: Tensor, begin: readonly number[], size: readonly number[]): Tensor;
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  neg(x: Tensor): Tensor;
  pad(x: Tensor, paddings: readonly (readonly [number, number])[], value?: number): Tensor;
  avgPool(x: Tensor, size: number, strides: number, pad: 'same' | 'valid'): Tensor;
  maxPool(x: Tensor, size: number, strides: number, pad: 'same' | 'valid'): Tensor;
  /** Gives a function a custom gradient. Its last argument is a function that saves tensors for the gradient. */
  customGrad(
    body: (...args: unknown[]) => { value: Tensor; gradFunc: (dy: Tensor, kept: Tensor[]) => Tensor | Tensor[] },
  ): (...inputs: Tensor[]) => Tensor;
  valueAndGrads(body: (...inputs: Tensor[]) => Tensor): (inputs: readonly Tensor[]) => { value: Tensor; grads: Tensor[] };
}

/** Script that installs tfjs-node. */
const SET_UP = packageFile('scripts/set-up-tfjs.mjs');

let loaded: { readonly tf: TensorFlow; readonly math: MathMode } | undefined;

/**
 * Loads tfjs-node once. Later calls return the same object.
 * @param math how it multiplies, for as long as the process lives
 * @throws DeviceError when it or its native library is missing, with the command that installs it; UsageError when it is loaded
 *   already and multiplies otherwise
 */
export function loadTensorFlow(math: MathMode = 'float32'): TensorFlow {
  loaded ??= { tf: load(math), math };
  if (loaded.math === math) return loaded.tf;
  throw new UsageError(`math: expected ${loaded.math}, in which this process has loaded TensorFlow, got ${math}. Use another process`);
}

function load(math: MathMode): TensorFlow {
  // the native library reads these when it loads: oneDNN's kernels are off by default on some CPUs, and this silences a log
  setDefaults({ TF_ENABLE_ONEDNN_OPTS: '1', TF_CPP_MIN_LOG_LEVEL: '1' });
  setVariables(mathVariables(math));
  // tfjs-node calls two functions that Node 23 removed
  Object.assign(util, { isNullOrUndefined: (value: unknown) => value === null || value === undefined, isArray: Array.isArray });
  const { log, warn } = console;
  console.warn = () => {}; // suppress an advertisement at load time
  try {
    return createRequire(import.meta.url)('@tensorflow/tfjs-node') as TensorFlow;
  } catch (error) {
    const reason = String(error instanceof Error ? error.message : error)
      .split('\n')[0]
      ?.trim();
    throw new DeviceError(`training needs tfjs-node with its native library: ${reason}. Get it with: node "${SET_UP}"`, { cause: error });
  } finally {
    Object.assign(console, { log, warn });
  }
}
