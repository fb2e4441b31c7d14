/** The backends, one row each. */
import { requireChoice } from '../../src/choice.ts';
import type { Backend } from './backend.ts';
import { browserBackend } from './browser/browser.ts';
import { browserWebgl } from './browser/webgl.ts';
import { cpu, cuda, onebit, tfjs, wasm, webgpu } from './node/node.ts';
import { remoteBackend } from './remote/remote.ts';

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
  'remote-wasm': remoteBackend({
    title: 'onnxruntime-web in the browser of a device that joins, wasm',
    provider: 'wasm',
    advice: 'It needs a browser with WebAssembly SIMD',
  }),
  'remote-webgpu': remoteBackend({
    title: 'onnxruntime-web in the browser of a device that joins, WebGPU',
    provider: 'webgpu',
    advice: 'It needs a GPU that the browser supports, and https or localhost; or use --software-gpu',
  }),
  'remote-onebit': remoteBackend({
    title: 'our own kernels for one-bit weights, in the browser of a device that joins',
    provider: 'onebit',
    oneBitOnly: true,
    advice: 'It needs a browser with WebAssembly SIMD',
  }),
  tfjs,
} satisfies Record<string, Backend>;

export type TableName = keyof typeof backends;
type RemoteName = Extract<TableName, `remote-${string}`>;
/** A row of the table; of a remote one also its second, third ... device: `remote-wasm#2`. */
export type BackendName = TableName | `${RemoteName}#${number}`;
/** A remote row with its device. */
const DEVICE = /^(remote-\w+)#([1-9]\d{0,2})$/;

export const backendNames = Object.keys(backends) as TableName[];
/** Those that need nobody to join. */
export const localBackendNames = backendNames.filter((name) => !isRemote(name));

/** The row of the table. */
export function tableName(name: BackendName): TableName {
  return (DEVICE.exec(name)?.[1] ?? name) as TableName;
}

/** @throws UsageError when there is no such row. */
export function backendOf(name: BackendName): Backend {
  if (!isBackendName(name)) requireChoice('backend', name as TableName, backendNames);
  return backends[tableName(name)];
}

/** Number of the device that a remote backend runs on, from 1. */
export function deviceOf(name: BackendName): number {
  return Number(DEVICE.exec(name)?.[2] ?? 1);
}

export function isRemote(name: BackendName): boolean {
  return backendOf(name).remote ?? false;
}

export function isBackendName(text: string): text is BackendName {
  return Object.hasOwn(backends, tableName(text as BackendName));
}

/** The same backends on every device: `remote-wasm` with two devices is `remote-wasm` and `remote-wasm#2`. */
export function onDevices(names: readonly BackendName[], devices: number): BackendName[] {
  const others = Array.from({ length: devices - 1 }, (_, i) => i + 2);
  return names.flatMap((name) => (isRemote(name) ? [name, ...others.map((device) => `${name}#${device}` as BackendName)] : [name]));
}
