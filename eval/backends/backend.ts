/** The interface of a backend; each is one row of `table.ts`. */
import type { Closable } from '../../src/closable.ts';
import type { RandomTimer } from '../runtime/random-run.ts';
import type { ModelInput, Output } from '../runtime/runtime.ts';
import type { Lobby } from './remote/lobby.ts';

export interface Backend {
  /** One line for help and tables. */
  readonly title: string;
  /** Runs `BackendOptions.source` instead of the ONNX file exported from it. */
  readonly runsSource?: boolean;
  /** It runs in the browser of a device that joins `BackendOptions.lobby`. */
  readonly remote?: boolean;
  /** It runs only this project's files with one-bit weights. */
  readonly oneBitOnly?: boolean;
  /**
   * Loads a model in its own process or browser: several sessions may be open, and two WebGPU sessions in one process crash.
   * @param input how it takes images; undefined for other models, which only `time` runs
   * @throws DeviceError when the device is absent or the provider does not run the nodes: never a silent fallback
   */
  open(model: Uint8Array, input: ModelInput | undefined, options: BackendOptions): Promise<Session>;
}

export interface BackendOptions {
  /** Threads of CPU and wasm kernels; the runtime's default when undefined. */
  readonly threads?: number | undefined;
  /** Path of Chrome, Chromium or Edge; found by name when undefined. */
  readonly browser?: string | undefined;
  /** Render WebGPU and WebGL in software (SwiftShader, which Chromium ships) instead of on a GPU. */
  readonly softwareGpu?: boolean | undefined;
  /** Batch size, for backends that fix it when they load. */
  readonly batch: number;
  /** Where devices join, for the backends `remote-*`. */
  readonly lobby?: Lobby | undefined;
  /** Which of the devices that have joined, from 1. */
  readonly device?: number | undefined;
  /** The checkpoint or model file that the ONNX file was exported from, for backends that run those. */
  readonly source?: Uint8Array | undefined;
}

/** A loaded model, to be closed by `close` or by `await using`. */
export interface Session extends OpenSession, Closable {}

export interface OpenSession {
  /** Seconds from bytes to ready, without the time to start a process or a browser. */
  readonly loadSeconds: number;
  /** What actually runs, e.g. `onnxruntime-node 1.30.0` or `WebGPU on SwiftShader`. */
  readonly detail: string;
  /** Largest resident memory so far of the process that runs the model, in bytes; undefined when unknown. */
  peakMemoryBytes(): Promise<number | undefined>;
  /** Resident memory of that process before it loaded the runtime and the model, in bytes; undefined when unknown. */
  readonly idleMemoryBytes?: number | undefined;
  /**
   * Runs one batch. Calls may overlap; they run in order.
   * @param imagesNCHW raw pixels 0..255, shape [count, channels, height, width]; converted to what the file takes
   */
  run(imagesNCHW: Uint8Array, count: number): Promise<BatchResult>;
  /** Runs the model on random input. */
  readonly time: RandomTimer;
  /** Frees the model and the process or page that held it. */
  close(): Promise<void>;
}

export interface BatchResult {
  /** Every float output of the file by name, as float32; `logits` has shape [count, classes]. */
  readonly outputs: Readonly<Record<string, Output>>;
  /** Seconds of the runtime itself, without copies between processes. */
  readonly seconds: number;
}

/** A loaded model, in the process that runs it. */
export interface Loaded {
  readonly version: string;
  /** @param imagesNCHW raw pixels 0..255, shape [count, channels, height, width] */
  run(imagesNCHW: Uint8Array, count: number): Promise<BatchResult>;
  /** Absent when a runtime takes images only. */
  readonly time?: RandomTimer;
}
