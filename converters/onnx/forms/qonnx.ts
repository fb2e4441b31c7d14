/**
 * `qonnx`: weights behind BipolarQuant nodes (inputs X and scale; y = scale if X >= 0 else -scale) of the
 * domain `qonnx.custom_op.general`, as read by FPGA flows (qonnx, docs/qonnx-custom-ops/bipolar_quant_op.md).
 * The quantizer's scale is 1 and the layer's scale multiplies the output of the convolution: the weights are then
 * of qonnx's type BIPOLAR, hls4ml can fuse the quantizer (it takes powers of two only), and FINN, which would move
 * the scale there itself, absorbs it into the thresholds that follow.
 * A local function of the same name lets stock runtimes run the file.
 */
import type { FunctionProto } from '../../../proto/onnx.ts';
import { elements } from '../../../src/formats/shape.ts';
import { packSigns, unpackSigns } from '../../../src/network/sign.ts';
import { floats, node } from '../graph.ts';
import { checkShape, dimsOf, floatsOf } from '../initializer.ts';
import type { Form } from './form.ts';

const QONNX_DOMAIN = 'qonnx.custom_op.general';
/** Domains in which FPGA tools write BipolarQuant: the current one and older ones. */
export const QUANTIZER_DOMAINS: readonly string[] = [QONNX_DOMAIN, 'finn.custom_op.general', 'onnx.brevitas'];

const bipolarQuant: FunctionProto = {
  domain: QONNX_DOMAIN,
  name: 'BipolarQuant',
  input: ['X', 'scale'],
  output: ['Y'],
  opset_import: [{ domain: '', version: 17 }],
  node: [
    node('Constant', [], 'zero', { value: floats([], new Float32Array([0])) }),
    node('GreaterOrEqual', ['X', 'zero'], 'positive'),
    node('Neg', ['scale'], 'negative_scale'),
    node('Where', ['positive', 'scale', 'negative_scale'], 'Y'),
  ],
};

export const qonnx: Form = {
  title: 'BipolarQuant nodes: qonnx, FINN, hls4ml',
  functions: [bipolarQuant],
  kernel(graph, name, bits, scale) {
    graph.floats(`${name}.sign`, bits.shape, unpackSigns(bits.data, elements(bits.shape)));
    const unit = graph.constant('unit_scale', () => floats([1], Float32Array.of(1)));
    const weights = graph.node('BipolarQuant', [`${name}.sign`, unit], `${name}.kernel`, {}, QONNX_DOMAIN);
    return { weights, outputScale: graph.floats(`${name}.scale`, scale.data.length === 1 ? [1] : [scale.data.length, 1, 1], scale.data) };
  },
  read(initializers, name, shape) {
    const [sign, scale] = [initializers.get(`${name}.sign`), initializers.get(`${name}.scale`)];
    if (!sign || !scale) return undefined;
    checkShape(`${name}.sign`, dimsOf(sign), shape);
    return { bits: packSigns(floatsOf(sign)), scale: floatsOf(scale) };
  },
};
