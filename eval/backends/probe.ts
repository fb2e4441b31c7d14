/** Whether this machine can run a backend, found out by running a model of one convolution, or the smallest network, on it. */
import { Float, Graph, valueInfo } from '../../converters/onnx/graph.ts';
import { DataType, encodeModel } from '../../proto/onnx.ts';
import { DeviceError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import { defaultConfig } from '../../src/network/config.ts';
import { writeModelFile } from '../../src/network/model-file.ts';
import { floatTensor } from '../../src/network/tensor.ts';
import { parameters } from '../../src/network/topology.ts';
import type { ModelInput } from '../runtime/runtime.ts';
import type { BackendOptions } from './backend.ts';
import { type BackendName, backends } from './table.ts';

export type Availability = { readonly ok: true; readonly detail: string } | { readonly ok: false; readonly reason: string };

const input: ModelInput = { name: 'images', type: 'float32', layout: 'nchw', channels: 1, height: 4, width: 4 };

/** Runs the probe; a missing device is an answer, not an error. */
export async function probe(name: BackendName, options: Omit<BackendOptions, 'batch' | 'source'> = {}): Promise<Availability> {
  try {
    const session = await backends[name].open(probeModel(), input, { ...options, batch: 1, source: probeSource() });
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

/** The smallest network of the topology, with ones for all parameters, as a model file. */
function probeSource(): Uint8Array {
  const config = { ...defaultConfig, depth: 8, width: 1 / 16, bits: 32, endBits: 32, input: { channels: 1, height: 4, width: 4 } } as const;
  const tensors = parameters(config).map(
    ({ name, shape }) => [name, floatTensor(shape, new Float32Array(elements(shape)).fill(1))] as const,
  );
  return writeModelFile({ config, tensors: new Map(tensors), about: { dialect: 'probe' } });
}
