/**
 * Converting networks: bytes in, bytes out, without files, runtimes or native code. Runs in browsers, too.
 *
 *     import { readModel, toOnnx } from 'wrn-onnx/convert';
 *     const model = readModel(new Uint8Array(await file.arrayBuffer()));
 *     const onnx = toOnnx(model, { form: 'packed' });
 */
export { type Inspection, inspect, type Totals } from '../converters/inspect/inspect.ts';
export type { OnnxSummary } from '../converters/inspect/onnx-summary.ts';
export { type Comparison, compareExport } from '../converters/onnx/compare.ts';
export type { ExternalData, ReadExternal } from '../converters/onnx/external-data.ts';
export { type Fp16Options, toFp16Onnx } from '../converters/onnx/forms/fp16/to-fp16.ts';
export type { Range } from '../converters/onnx/forms/int8/quantization.ts';
export { type Int8ExportOptions, type Ranges, toInt8Onnx } from '../converters/onnx/forms/int8/to-int8.ts';
export { type FormName, forms } from '../converters/onnx/forms/table.ts';
export { type ModelFile, type Packed, type PackedFile, type PackOptions, packOnnx } from '../converters/onnx/pack/pack.ts';
export type { Kept } from '../converters/onnx/pack/replace-weights.ts';
export { type Unpacked, type UnpackedFile, unpackOnnx } from '../converters/onnx/pack/unpack.ts';
export { readOnnxModel } from '../converters/onnx/read.ts';
export { type ExportOptions, toOnnx } from '../converters/onnx/write.ts';
export { dialectNames, openModel, prepareToRead, type ReadOptions, readModel } from '../converters/read.ts';
export * from './errors.ts';
export { defaultConfig, type NetworkConfig, networkName, readConfig } from './network/config.ts';
export type { InputLayout, Metadata } from './network/file-metadata.ts';
export type { Model } from './network/model.ts';
export { readModelFile, writeModelFile } from './network/model-file.ts';
export type { Provenance } from './network/provenance.ts';
export type { LayerSummary } from './network/summary.ts';
export type { BitTensor, FloatTensor, Tensor } from './network/tensor.ts';
export { type Layer, layers, type Parameter, parameters, weightCount } from './network/topology.ts';
