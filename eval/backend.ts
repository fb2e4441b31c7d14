/** What every backend looks like to `evaluate`: one row of the table in `backends.ts`. */

export interface Backend {
  readonly name: BackendName;
  /** One line for help and tables. */
  readonly title: string;
  /**
   * Whether this machine can run it.
   * `reason` is one line that says what is missing and what to install.
   */
  available(options: BackendOptions): Promise<{ ok: true; detail: string } | { ok: false; reason: string }>;
  /**
   * Loads a model.
   * @throws DeviceError when the device is absent or the provider does not run the nodes: never a silent fallback.
   */
  open(model: Uint8Array, options: BackendOptions): Promise<Session>;
}

export type BackendName = 'cpu' | 'cuda' | 'webgpu' | 'wasm' | 'browser-wasm' | 'browser-webgpu' | 'browser-webgl' | 'tfjs';

export interface BackendOptions {
  /** Threads of CPU and wasm kernels; the runtime's default when undefined. */
  readonly threads?: number;
  /** Path of Chrome, Chromium or Edge; found by name when undefined. */
  readonly browser?: string;
  /** Use software rendering (SwiftShader) for WebGPU when there is no GPU. */
  readonly softwareGpu?: boolean;
  /** Batch size that the file must be specialised to, for backends that refuse a dynamic batch (WebGL). */
  readonly batch?: number;
}

/** A loaded model. */
export interface Session {
  /** Seconds from bytes to ready, without the time to start a browser. */
  readonly loadSeconds: number;
  /** What really runs, e.g. `CPUExecutionProvider, 2 threads` or `WebGPU: SwiftShader`. */
  readonly detail: string;
  /** Largest resident memory of the process that runs the model so far, in bytes; undefined when it cannot be known. */
  peakMemoryBytes(): Promise<number | undefined>;
  /**
   * Runs one batch.
   * @param images raw pixels 0..255, shape [count, channels, height, width]; converted to what the file takes.
   * @returns every output of the file by name; `logits` has shape [count, classes].
   */
  run(images: Uint8Array, count: number): Promise<Record<string, Output>>;
  /** Frees the model. Only one session of a process is open at a time. */
  close(): Promise<void>;
}

export interface Output {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}
