/**
 * The library: read a published network, convert it, evaluate it.
 *
 *     import { evaluate, openImageSet, readModel, toOnnx } from 'wrn-onnx';
 *     const model = readModel(await readFile('CIFAR10_allparams.mat'));
 *     const file = toOnnx(model, { form: 'packed', input: 'nchw-float' });
 */
export { type Inspection, inspect, type Totals } from '../converters/inspect/inspect.ts';
export type { OnnxSummary } from '../converters/inspect/onnx-summary.ts';
export type { ExternalData, ReadExternal } from '../converters/onnx/external-data.ts';
export { type Fp16Options, toFp16Onnx } from '../converters/onnx/forms/fp16/to-fp16.ts';
export type { Range } from '../converters/onnx/forms/int8/quantization.ts';
export { type Ranges, toInt8Onnx } from '../converters/onnx/forms/int8/to-int8.ts';
export { type FormName, forms } from '../converters/onnx/forms/table.ts';
export type { InputLayout, Metadata } from '../converters/onnx/metadata.ts';
export { type ModelFile, type Packed, type PackedFile, type PackOptions, packOnnx } from '../converters/onnx/pack/pack.ts';
export type { Kept } from '../converters/onnx/pack/replace-weights.ts';
export { type Unpacked, type UnpackedFile, unpackOnnx } from '../converters/onnx/pack/unpack.ts';
export { readOnnxModel } from '../converters/onnx/read.ts';
export { type ExportOptions, toOnnx } from '../converters/onnx/write.ts';
export { dialectNames, type ReadOptions, readModel } from '../converters/read.ts';
export type { BackendOptions, BatchResult, Session } from '../eval/backends/backend.ts';
export { type Availability, probe } from '../eval/backends/probe.ts';
export { type BackendName, backendNames, backends } from '../eval/backends/table.ts';
export { type BenchFile, type BenchOptions, bench, type Measurement } from '../eval/bench/bench.ts';
export type { MatmulSpeed } from '../eval/bench/matmul-speed.ts';
export { type Profile, type ProfileOptions, type ProfileRow, profile } from '../eval/bench/profile.ts';
export type { Quartiles } from '../eval/bench/quartiles.ts';
export { type EvaluateOptions, evaluate } from '../eval/evaluate.ts';
export { mergeParts, type Part, readPart } from '../eval/merge.ts';
export type { BackendResult, BackendRun, Report, Subject } from '../eval/report.ts';
export { type ClassifierModel, readClassifier } from '../eval/runtime/model-input.ts';
export type { Shard } from '../eval/shard.ts';
export type { Disagreement } from '../eval/tally/disagreements.ts';
export { Tally } from '../eval/tally/tally.ts';
export { defaultThresholds, type Thresholds, thresholdsOf, type Verdict } from '../eval/tally/thresholds.ts';
export { type Bisection, type BisectOptions, bisect, type LayerDifference, type Side } from '../eval/verify/bisect.ts';
export { type CalibrateOptions, calibrate, type Method, methodNames } from '../eval/verify/calibrate.ts';
export { type Verification, verifyExport } from '../eval/verify/export.ts';
export { type Fp16Comparison, type Fp16Verification, type VerifyFp16Options, verifyFp16 } from '../eval/verify/fp16.ts';
export { type Int8Options, type Int8Verification, verifyInt8 } from '../eval/verify/int8.ts';
export type { LayerError } from '../eval/verify/layer-errors.ts';
export { type PackData, type PackVerification, verifyPack } from '../eval/verify/pack.ts';
export { referenceLogits } from '../eval/verify/reference.ts';
export type { Accuracy } from '../eval/verify/rounded-form.ts';
export type { ImageBatch, ImageSet, ImageShape, Split } from './data/dataset.ts';
export { type OpenImageSetOptions, openImageSet } from './data/open.ts';
export {
  DeviceError,
  DownloadError,
  InputError,
  InterruptedError,
  ParityError,
  TrainingError,
  UsageError,
  WrnError,
} from './errors.ts';
export { defaultConfig, type NetworkConfig, networkName, readConfig } from './network/config.ts';
export type { Model } from './network/model.ts';
export { readModelFile, writeModelFile } from './network/model-file.ts';
export type { Provenance } from './network/provenance.ts';
export type { LayerSummary } from './network/summary.ts';
export type { BitTensor, FloatTensor, Tensor } from './network/tensor.ts';
export { type Layer, layers, type Parameter, parameters, weightCount } from './network/topology.ts';
export * from './web.ts';
