/**
 * `packed`: bits + UnpackSign + Scale, model-local functions of the domain `wrn.onebit`, version 1.
 * Their bodies are standard operators, so any runtime that inlines functions runs them. Their names show
 * the one-bit layers in every viewer, and let a compiler with a one-bit kernel match them.
 */
import type { FunctionProto } from '../../../proto/onnx.ts';
import { int64s, node, OPSET } from '../graph.ts';
import { bytesOf, checkShape, floatsOf, int64sOf } from '../initializer.ts';
import type { Form } from './form.ts';
import { lookUp, signTable, toFloat, toShape } from './unpack-signs.ts';

export const DOMAIN = 'wrn.onebit';

const constant = (output: string, value: ReturnType<typeof int64s>) => node('Constant', [], output, { value });

const functions: FunctionProto[] = [
  {
    domain: DOMAIN,
    name: 'UnpackSign',
    doc_string:
      'bits: uint8 [ceil(n / 8)], most significant bit first; shape: int64 of n elements. kernel: float32 +-1 of that shape; 1 is +1.',
    input: ['bits', 'shape'],
    output: ['kernel'],
    opset_import: [{ domain: '', version: OPSET }],
    node: [
      constant('table', signTable()),
      ...lookUp('bits', 'table', 'bits'),
      constant('everything', int64s([-1])),
      node('Reshape', ['bits.rows', 'everything'], 'signs'),
      constant('start', int64s([0])),
      node('ReduceProd', ['shape'], 'count', { keepdims: 1 }),
      node('Slice', ['signs', 'start', 'count'], 'unpadded'),
      toShape('unpadded', 'shape', 'kernel.int8'),
      toFloat('kernel.int8', 'kernel'),
    ],
  },
  {
    domain: DOMAIN,
    name: 'Scale',
    doc_string: 'y = x * scale; scale: float32, a scalar or one value per output channel, shape [outputs, 1, 1, 1].',
    input: ['x', 'scale'],
    output: ['y'],
    opset_import: [{ domain: '', version: OPSET }],
    node: [node('Mul', ['x', 'scale'], 'y')],
  },
];

export const packed: Form = {
  title: 'bits, unpacked by the functions UnpackSign and Scale: every onnxruntime',
  functions,
  kernel(graph, name, bits, scale) {
    graph.bytes(`${name}.bits`, bits.data);
    graph.int64s(`${name}.shape`, bits.shape);
    graph.floats(`${name}.scale`, scale.shape, scale.data);
    graph.node('UnpackSign', [`${name}.bits`, `${name}.shape`], `${name}.sign`, {}, DOMAIN);
    return { weights: graph.node('Scale', [`${name}.sign`, `${name}.scale`], `${name}.kernel`, {}, DOMAIN) };
  },
  read(initializers, name, shape) {
    const [bits, stored, scale] = ['bits', 'shape', 'scale'].map((field) => initializers.get(`${name}.${field}`));
    if (!bits || !stored || !scale) return undefined;
    checkShape(`${name}.shape`, int64sOf(stored), shape);
    return { bits: bytesOf(bits), scale: floatsOf(scale) };
  },
};
