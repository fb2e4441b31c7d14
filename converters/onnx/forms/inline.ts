/** `inline`: the same bits as `packed`, unpacked by standard operators in the graph itself, for tools without local functions. */
import type { NodeProto, TensorProto } from '../../../proto/onnx.ts';
import { elements } from '../../../src/formats/shape.ts';
import { packedLength } from '../../../src/network/sign.ts';
import type { BitTensor, FloatTensor } from '../../../src/network/tensor.ts';
import type { Graph } from '../graph.ts';
import { typeName } from '../initializer.ts';
import type { Form, Kernel } from './form.ts';
import { packed } from './packed.ts';
import {
  floatSignTable,
  type Indices,
  levelTable,
  lookUp,
  lookUpByProduct,
  oneByOne,
  shiftedSignTable,
  signTable,
  toFloat,
  toShape,
} from './unpack-signs.ts';

export const inline: Form = {
  title: 'bits, unpacked by standard operators: OpenVINO, OpenCV, tract and others',
  functions: [],
  kernel(graph, name, bits, scale) {
    graph.nodes.push(toFloat(int8Signs(graph, name, bits), `${name}.sign`));
    return scaled(graph, name, scale);
  },
  read: packed.read,
};

/** `inline` without a Cast, for small kernels, where the temporary size of the signs does not matter. */
export const castless: Form = {
  ...inline,
  kernel(graph, name, bits, scale) {
    unpack(graph, name, bits, { indices: 'product', table: ['float_sign_table', floatSignTable], output: `${name}.sign` });
    return scaled(graph, name, scale);
  },
};

function scaled(graph: Graph, name: string, scale: FloatTensor): Kernel {
  graph.floats(`${name}.scale`, scale.shape, scale.data);
  return { weights: graph.node('Mul', [`${name}.sign`, `${name}.scale`], `${name}.kernel`) };
}

/** How the signs of a kernel lie in int8. */
export interface StoredSigns {
  /** How the bits are unpacked; by default in the way that every runtime reads. */
  readonly indices?: Indices | undefined;
  /** Behind 0, by default, the signs are -1 and 1; behind 1 they are 0 and 2. */
  readonly zeroPoint?: 0 | 1 | undefined;
}

/** Adds the bits of the convolution `name` and the nodes that unpack them; returns the name of the int8 kernel. */
export function int8Signs(graph: Graph, name: string, bits: BitTensor, { indices = 'cast', zeroPoint = 0 }: StoredSigns = {}): string {
  const table = zeroPoint === 0 ? (['sign_table', signTable] as const) : (['shifted_sign_table', shiftedSignTable] as const);
  return unpack(graph, name, bits, { indices, table, output: `${name}.int8` });
}

/** The same with two other values of 8 bits in place of the signs. */
export function eightBitLevels(graph: Graph, name: string, bits: BitTensor, type: number, [low, high]: readonly [number, number]): string {
  const table = [`${typeName(type)}_table_${low}_${high}`, () => levelTable(type, low, high)] as const;
  return unpack(graph, name, bits, { indices: 'cast', table, output: `${name}.${typeName(type)}` });
}

interface Unpacking {
  readonly indices: Indices;
  /** Name of the table whose row b holds the signs of byte b, and the function that makes it. */
  readonly table: readonly [string, () => TensorProto];
  /** Name of the kernel. */
  readonly output: string;
}

function unpack(graph: Graph, name: string, { shape, data }: BitTensor, { indices, table, output }: Unpacking): string {
  const count = elements(shape);
  graph.bytes(`${name}.bits`, data);
  const rows = graph.constant(...table);
  graph.nodes.push(...(indices === 'cast' ? lookUp(`${name}.bits`, rows, name) : byProduct(graph, name, rows)));
  let signs = `${name}.rows`;
  if (packedLength(count) * 8 !== count) {
    const flat = graph.node('Reshape', [signs, graph.int64s('flat', [-1])], `${name}.signs`);
    signs = graph.node('Slice', [flat, graph.int64s('start', [0]), graph.int64s(`${name}.count`, [count])], `${name}.unpadded`);
  }
  graph.nodes.push(toShape(signs, graph.int64s(`${name}.shape`, shape), output));
  return output;
}

function byProduct(graph: Graph, name: string, rows: string): NodeProto[] {
  return lookUpByProduct(`${name}.bits`, rows, graph.int64s('column', [-1, 1]), graph.constant('one_by_one', oneByOne), name);
}
