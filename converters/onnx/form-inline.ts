/** `inline`: the same bits as `packed`, unpacked by standard operators in the graph itself, for tools without local functions. */
import { packedLength } from '../../src/network/sign.ts';
import { type BitTensor, elements } from '../../src/network/tensor.ts';
import type { Form } from './form.ts';
import { packed } from './form-packed.ts';
import type { Graph } from './graph.ts';
import { lookUp, signTable, toFloat, toShape } from './unpack.ts';

export const inline: Form = {
  title: 'bits, unpacked by standard operators: OpenVINO, OpenCV, tract and others',
  functions: [],
  kernel(graph, name, bits, scale) {
    graph.nodes.push(toFloat(int8Signs(graph, name, bits), `${name}.sign`));
    graph.floats(`${name}.scale`, scale.shape, scale.data);
    return { weights: graph.node('Mul', [`${name}.sign`, `${name}.scale`], `${name}.kernel`) };
  },
  read: packed.read,
};

/** Adds the bits of the convolution `name` and what unpacks them; returns the name of the kernel of int8 +-1. */
export function int8Signs(graph: Graph, name: string, { shape, data }: BitTensor): string {
  const count = elements(shape);
  graph.bytes(`${name}.bits`, data);
  const table = graph.constant('sign_table', signTable);
  graph.nodes.push(...lookUp(`${name}.bits`, table, name));
  let signs = `${name}.rows`;
  if (packedLength(count) * 8 !== count) {
    const flat = graph.node('Reshape', [signs, graph.int64s('flat', [-1])], `${name}.signs`);
    signs = graph.node('Slice', [flat, graph.int64s('start', [0]), graph.int64s(`${name}.count`, [count])], `${name}.unpadded`);
  }
  graph.nodes.push(toShape(signs, graph.int64s(`${name}.shape`, shape), name));
  return `${name}.int8`;
}
