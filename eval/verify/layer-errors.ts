/** Errors caused by each 8-bit tensor of an int8 file: in its own values, in the logits, and accumulated up to it. */
import type { Tensor } from 'onnxruntime-node';
import { planInt8 } from '../../converters/onnx/forms/int8/plan.ts';
import { type Quantization, roundTrip } from '../../converters/onnx/forms/int8/quantization.ts';
import { quantizationsOf, quantize, type Ranges, toInt8Proto } from '../../converters/onnx/forms/int8/to-int8.ts';
import { Graph } from '../../converters/onnx/graph.ts';
import { toFlatProto } from '../../converters/onnx/write.ts';
import { DataType, type ModelProto } from '../../proto/onnx.ts';
import { spread } from '../../src/data/batches.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import type { Model } from '../../src/network/model.ts';
import { IMAGES, LOGITS } from '../../src/network/topology.ts';
import { type Loaded, loadPackage } from '../../src/packages.ts';
import { addDifference, noDifference, relativeError } from '../tally/metrics.ts';
import { withOutputs } from './with-outputs.ts';

/** Relative errors against the float network. */
export interface LayerError {
  readonly layer: string;
  /** Of this layer's values when only they are rounded to 8 bits. */
  readonly own: number;
  /** Of the logits, when only this layer is stored in 8 bits. */
  readonly logits: number;
  /** Of this layer's values in the int8 file, including the errors of earlier layers. */
  readonly total: number;
}

/** Few images, because the network runs once per 8-bit tensor. */
const COUNT = 8;
const LAYOUT = 'nchw-float';

/**
 * Errors of every 8-bit tensor, in order of execution.
 * @throws `signal.reason` when it is aborted
 */
export async function layerErrors(model: Model, ranges: Ranges, data: ImageSet, signal?: AbortSignal): Promise<LayerError[]> {
  const quantizations = quantizationsOf(planInt8(model), ranges);
  const names = [...quantizations.keys()];
  const ort = await loadPackage('onnxruntime-node');
  const images = await sample(ort, data);
  /** Values of all gates: open for one tensor, or for none. */
  const gates = (open?: string) => Object.fromEntries(names.map((name) => [gate(name), new ort.Tensor('bool', [name === open], [])]));
  const [int8] = await run(ort, withOutputs(toInt8Proto(model, { ranges }), names), images, [{}], signal);
  const settings = [gates(), ...names.map(gates)];
  const [float, ...single] = await run(ort, withOutputs(gated(model, quantizations), names), images, settings, signal);
  return [...quantizations].map(([layer, quantization], i) => {
    const exact = float?.get(layer) as Float32Array;
    const stored = exact.map((x) => roundTrip(x, quantization));
    return {
      layer,
      own: error(stored, exact),
      logits: error(single[i]?.get(LOGITS), float?.get(LOGITS)),
      total: error(int8?.get(layer), exact),
    };
  });
}

function error(got: Float32Array | undefined, expected: Float32Array | undefined): number {
  return relativeError(addDifference(noDifference, got as Float32Array, expected as Float32Array));
}

/** The layer whose rounding to 8 bits changes the logits most. */
export function worstLayer(layers: readonly LayerError[]): LayerError {
  return layers.reduce((worst, layer) => (layer.logits > worst.logits ? layer : worst));
}

/** Name of the input that decides whether a tensor is rounded to 8 bits. */
const gate = (tensor: string) => `${tensor}.gate`;

/** The float network, with a gate for each tensor to round it to 8 bits. */
function gated(model: Model, quantizations: ReadonlyMap<string, Quantization>): ModelProto {
  const proto = toFlatProto(model, { input: LAYOUT });
  const graph = new Graph();
  for (const made of proto.graph?.node ?? []) {
    const name = made.output?.[0] as string;
    const quantization = quantizations.get(name);
    if (!quantization) {
      graph.nodes.push(made);
      continue;
    }
    graph.nodes.push({ ...made, name: `${name}.exact`, output: [`${name}.exact`] });
    quantize(graph, `${name}.exact`, name, quantization, `${name}.rounded`);
    graph.node('Where', [gate(name), `${name}.rounded`, `${name}.exact`], name);
  }
  const inputs = [...quantizations.keys()].map((name) => ({
    name: gate(name),
    type: { tensor_type: { elem_type: DataType.BOOL, shape: { dim: [] } } },
  }));
  const initializer = [...(proto.graph?.initializer ?? []), ...graph.initializers];
  return { ...proto, graph: { ...proto.graph, node: graph.nodes, initializer, input: [...(proto.graph?.input ?? []), ...inputs] } };
}

type OnnxRuntime = Loaded<'onnxruntime-node'>;

async function sample(ort: OnnxRuntime, data: ImageSet): Promise<Tensor> {
  const { channels, height, width } = data;
  const count = Math.min(COUNT, data.length);
  const images = new Float32Array(count * channels * height * width);
  let done = 0;
  for await (const { imagesNCHW } of spread(data, 1, count)) {
    images.set(imagesNCHW, done);
    done += imagesNCHW.length;
  }
  return new ort.Tensor('float32', images, [count, channels, height, width]);
}

/** All outputs for the first setting of the gates; for the others only the logits, to save memory. */
async function run(
  ort: OnnxRuntime,
  file: Uint8Array,
  images: Tensor,
  settings: readonly Readonly<Record<string, Tensor>>[],
  signal?: AbortSignal,
) {
  const session = await ort.InferenceSession.create(file);
  try {
    const results: ReadonlyMap<string, Float32Array>[] = [];
    for (const setting of settings) {
      signal?.throwIfAborted();
      const wanted = results.length === 0 ? session.outputNames : [LOGITS];
      const outputs = await session.run({ [IMAGES]: images, ...setting }, wanted);
      results.push(new Map(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array])));
    }
    return results;
  } finally {
    await session.release();
  }
}
