/** `inline`: the same bits as `packed`, unpacked by standard operators in the graph itself, for tools without local functions. */
import { packedLength } from '../../src/network/sign.ts';
import { elements } from '../../src/network/tensor.ts';
import type { Form } from './form.ts';
import { packed } from './form-packed.ts';
import { lookUp, signTable, toKernel } from './unpack.ts';

export const inline: Form = {
  title: 'bits, unpacked by standard operators: OpenVINO, OpenCV, tract and others',
  functions: [],
  kernel(graph, name, bits, scale) {
    const count = elements(bits.shape);
    graph.bytes(`${name}.bits`, bits.data);
    const table = graph.constant('sign_table', signTable);
    graph.nodes.push(...lookUp(`${name}.bits`, table, name));
    let signs = `${name}.rows`;
    if (packedLength(count) * 8 !== count) {
      const flat = graph.node('Reshape', [signs, graph.int64s('flat', [-1])], `${name}.signs`);
      signs = graph.node('Slice', [flat, graph.int64s('start', [0]), graph.int64s(`${name}.count`, [count])], `${name}.unpadded`);
    }
    graph.nodes.push(...toKernel(signs, graph.int64s(`${name}.shape`, bits.shape), name, `${name}.sign`));
    graph.floats(`${name}.scale`, scale.shape, scale.data);
    return { weights: graph.node('Mul', [`${name}.sign`, `${name}.scale`], `${name}.kernel`) };
  },
  read: packed.read,
};
