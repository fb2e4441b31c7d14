/**
 * WebGL in the browser, a legacy provider: it takes neither a dynamic batch size nor integers. So the batch size is fixed
 * and a file of ours is rewritten in its dense form; the result says so.
 */

import { fromOnnx } from '../../../converters/onnx/read.ts';
import { fixBatch } from '../../../converters/onnx/signature.ts';
import { toOnnxProto } from '../../../converters/onnx/write.ts';
import { DataType, decodeModel, encodeModel, type TypeProto } from '../../../proto/onnx.ts';
import { readMetadata } from '../../../src/network/file-metadata.ts';
import { requireImages } from '../../runtime/runtime.ts';
import { browserBackend } from './browser.ts';

const floats: TypeProto = { tensor_type: { elem_type: DataType.FLOAT, shape: { dim: [] } } };

export const browserWebgl = browserBackend({
  title: 'onnxruntime-web in a browser, WebGL',
  provider: 'webgl',
  advice: 'It needs a GPU with WebGL 2, or --software-gpu; it takes the dense form',
  prepare(bytes, imageInput, { batch }) {
    const input = requireImages(imageInput);
    const original = decodeModel(bytes);
    const form = readMetadata(original.metadata_props)?.form;
    const rewritten = form !== undefined && (form !== 'dense' || input.type !== 'float32');
    const proto = rewritten ? toOnnxProto(fromOnnx(original), { form: 'dense', input: 'nchw-float', inputName: input.name }) : original;
    // layers that bisect asks for have the same names in every form; onnxruntime-web's WebGL needs a type for each
    const output = (original.graph?.output ?? []).map((value) => ({ type: floats, ...value }));
    proto.graph = { ...proto.graph, output };
    fixBatch(proto, batch);
    const done = `${rewritten ? 'rewritten as dense, ' : ''}batch size fixed to ${batch}`;
    return {
      model: encodeModel(proto),
      input: { ...input, ...(rewritten ? { type: 'float32', layout: 'nchw' } : {}), fixedBatch: batch },
      done,
    };
  },
});
