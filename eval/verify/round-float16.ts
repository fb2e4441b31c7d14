/**
 * Rewrites a float16 file so that the CPU computes it as a GPU does. onnxruntime has no float16 kernels for the CPU and
 * would compute the file in float32 throughout, which hides rounding and overflow. Here the operators are float32 and
 * every result is rounded to float16; sums inside an operator stay float32, as on tensor cores.
 */
import { Float16Array } from '@petamoriken/float16';
import { floats, node } from '../../converters/onnx/graph.ts';
import { dimsOf } from '../../converters/onnx/initializer.ts';
import { DataType, encodeModel, type ModelProto, type NodeProto, type TensorProto, type ValueInfoProto } from '../../proto/onnx.ts';

/** Operators that compute new numbers; the others move or select existing ones. */
const COMPUTES = new Set(['Conv', 'BatchNormalization', 'Add', 'Sub', 'Mul', 'Div', 'AveragePool', 'GlobalAveragePool']);

export interface Rounded {
  readonly model: Uint8Array;
  /** Added outputs: the largest magnitude of each operator's result before rounding; above 65504 it is infinite in float16. */
  readonly peaks: readonly { readonly layer: string; readonly output: string }[];
}

/** @param proto a file of the form `fp16` */
export function roundFloat16(proto: ModelProto): Rounded {
  const graph = proto.graph ?? {};
  const peaks: Rounded['peaks'][number][] = [];
  const nodes = (graph.node ?? []).flatMap((original): NodeProto[] => {
    const [name = ''] = original.output ?? [];
    // A cast to float16 is of pixels, which are exact, or of weights.
    if (original.op_type === 'Cast' && Number(original.attribute?.[0]?.i) === DataType.FLOAT16)
      return throughFloat16(original.input?.[0] ?? '', name);
    if (!COMPUTES.has(original.op_type ?? '')) return [original];
    const output = `${name}.peak`;
    peaks.push({ layer: name, output });
    return [
      { ...original, name: `${name}.wide`, output: [`${name}.wide`] },
      node('Abs', [`${name}.wide`], `${name}.magnitude`),
      node('ReduceMax', [`${name}.magnitude`], output, { keepdims: 0 }),
      ...throughFloat16(`${name}.wide`, name),
    ];
  });
  const initializer = (graph.initializer ?? []).map((tensor) => (isHalf(tensor) ? widen(tensor) : tensor));
  const added = peaks.map(({ output }) => ({ name: output }));
  const [input, output] = [(graph.input ?? []).map(asFloat), (graph.output ?? []).map(asFloat)];
  return { model: encodeModel({ ...proto, graph: { ...graph, node: nodes, initializer, input, output: [...output, ...added] } }), peaks };
}

function throughFloat16(x: string, output: string): NodeProto[] {
  return [node('Cast', [x], `${output}.half`, { to: DataType.FLOAT16 }), node('Cast', [`${output}.half`], output, { to: DataType.FLOAT })];
}

const isHalf = ({ data_type }: TensorProto) => data_type === DataType.FLOAT16;

function widen(tensor: TensorProto): TensorProto {
  const values = Float32Array.from(new Float16Array((tensor.raw_data as Uint8Array).slice().buffer));
  return { ...floats(dimsOf(tensor), values), name: tensor.name ?? '' };
}

function asFloat(value: ValueInfoProto): ValueInfoProto {
  const type = value.type?.tensor_type;
  return type?.elem_type === DataType.FLOAT16 ? { ...value, type: { tensor_type: { ...type, elem_type: DataType.FLOAT } } } : value;
}
