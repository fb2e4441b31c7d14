/**
 * A runtime of its own for networks with one-bit weights: several times as fast as onnxruntime-web, from a few kilobytes.
 * Runs in pages, workers, Node, Deno and Bun; needs WebAssembly SIMD and nothing else.
 *
 *     import { loadOneBit } from 'wrn-onnx/onebit';
 *     const network = await loadOneBit('model.onnx');
 *     const [best] = await network.classify(canvas.getContext('2d').getImageData(0, 0, 32, 32));
 *
 * A page with a content security policy has to allow `script-src 'wasm-unsafe-eval'`. Threads need a page that is cross-origin
 * isolated (Cross-Origin-Opener-Policy: same-origin, Cross-Origin-Embedder-Policy: require-corp) and `worker-src blob:` where
 * there is a policy; without them there is one thread. `network.threads` says how many compute.
 */
export { DeviceError, DownloadError, InputError, UsageError, WrnError } from './errors.ts';
export type { Prediction } from './network/logits.ts';
export { type LoadOptions, loadOneBit } from './onebit/load.ts';
export type { CallTime, Images, LayerOutput, OneBitNetwork } from './onebit/network.ts';
export type { Picture, Pixels } from './onebit/picture.ts';
