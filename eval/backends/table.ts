/** The backends, one row each. */
import type { Backend } from './backend.ts';
import { browserBackend } from './browser/browser.ts';
import { browserWebgl } from './browser/webgl.ts';
import { cpu, cuda, onebit, tfjs, wasm, webgpu } from './node/node.ts';

export const backends = {
  cpu,
  cuda,
  webgpu,
  wasm,
  'browser-wasm': browserBackend({
    title: 'onnxruntime-web in a browser, wasm',
    provider: 'wasm',
    advice: 'It needs a browser with WebAssembly SIMD and threads',
  }),
  'browser-webgpu': browserBackend({
    title: 'onnxruntime-web in a browser, WebGPU',
    provider: 'webgpu',
    advice: 'It needs a GPU that the browser supports; or use --software-gpu',
  }),
  'browser-webgl': browserWebgl,
  onebit,
  'browser-onebit': browserBackend({
    title: 'our own kernels for one-bit weights, in a browser',
    provider: 'onebit',
    oneBitOnly: true,
    advice: 'It needs a browser with WebAssembly SIMD',
  }),
  tfjs,
} satisfies Record<string, Backend>;

export type BackendName = keyof typeof backends;
export const backendNames = Object.keys(backends) as BackendName[];
