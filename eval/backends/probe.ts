/** Finds out whether a backend works on this machine by running a one-convolution model, or the smallest network, on it. */
import { Float, Graph, valueInfo } from '../../converters/onnx/graph.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { DataType, encodeModel } from '../../proto/onnx.ts';
import { DeviceError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import { defaultConfig } from '../../src/network/config.ts';
import type { Model } from '../../src/network/model.ts';
import { writeModelFile } from '../../src/network/model-file.ts';
import { packSigns } from '../../src/network/sign.ts';
import { bitTensor, floatTensor } from '../../src/network/tensor.ts';
import { parameters } from '../../src/network/topology.ts';
import type { ModelInput } from '../runtime/runtime.ts';
import type { BackendOptions } from './backend.ts';
import { type BackendName, backendOf } from './table.ts';

export type Availability = { readonly ok: true; readonly detail: string } | { readonly ok: false; readonly reason: string };

const input: ModelInput = { name: 'images', type: 'float32', layout: 'nchw', channels: 1, height: 4, width: 4 };

/**
 * Runs the probe; a missing device is an answer, not an error.
 * @example
 * const cpu = await probe('cpu');
 * console.log(cpu.ok ? cpu.detail : cpu.reason);
 */
export async function probe(name: BackendName, options: Omit<BackendOptions, 'batch' | 'source'> = {}): Promise<Availability> {
  try {
    const backend = backendOf(name);
    const session = await backend.open(backend.oneBitOnly ? probeNetwork() : probeModel(), input, {
      ...options,
      batch: 1,
      source: probeSource(),
    });
    try {
      await session.run(new Uint8Array(16), 1);
      return { ok: true, detail: session.detail };
    } finally {
      await session.close();
    }
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return { ok: false, reason: error.message };
  }
}

function probeModel(): Uint8Array {
  const graph = new Graph();
  const kernel = graph.floats('kernel', [1, 1, 3, 3], new Float32Array(9).fill(1));
  graph.node('Conv', ['images', kernel], 'sum', { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
  graph.node('LeakyRelu', ['sum'], 'logits', { alpha: new Float(0.5) });
  const value = (name: string) => valueInfo(name, DataType.FLOAT, [1, 1, 4, 4]);
  return encodeModel(graph.toModel('probe', [value('images')], [value('logits')]));
}

/** The smallest network of the topology, with one-bit weights, as an ONNX file. */
function probeNetwork(): Uint8Array {
  return toOnnx(smallest(1), { form: 'packed', input: 'nchw-float' });
}

/** The same with float weights, as a model file. */
function probeSource(): Uint8Array {
  return writeModelFile(smallest(32));
}

/** With ones for all parameters. */
function smallest(bits: 1 | 32): Model {
  const config = { ...defaultConfig, depth: 8, width: 1 / 16, bits, endBits: bits, input: { channels: 1, height: 4, width: 4 } } as const;
  const tensors = parameters(config).map(({ name, shape, dtype }) => {
    const ones = new Float32Array(elements(shape)).fill(1);
    return [name, dtype === 'bits' ? bitTensor(shape, packSigns(ones)) : floatTensor(shape, ones)] as const;
  });
  return { config, tensors: new Map(tensors), about: { dialect: 'probe' } };
}
