/**
 * Evaluating files: accuracy, parity, speed and the checks of exports. Runtimes are loaded when they are used. Each is a separate
 * package; when one is missing, the error says how to install it.
 *
 *     import { evaluate, openImageSet } from 'wrn-onnx/eval';
 *     const data = await openImageSet('cifar-10', { split: 'test' });
 *     const report = await evaluate(file, { data, backends: ['cpu', 'wasm'], limit: 500 });
 */
export type { BackendOptions, BatchResult, Session } from '../eval/backends/backend.ts';
export { type Availability, probe } from '../eval/backends/probe.ts';
export type { Lobby, LobbyEvent, LobbyOptions } from '../eval/backends/remote/lobby.ts';
export { openLobby } from '../eval/backends/remote/open-lobby.ts';
export { type BackendName, backendNames, backends } from '../eval/backends/table.ts';
export { type BenchFile, type BenchOptions, bench, type Measurement } from '../eval/bench/bench.ts';
export type { MatmulSpeed } from '../eval/bench/matmul-speed.ts';
export { type Profile, type ProfileOptions, type ProfileRow, profile } from '../eval/bench/profile.ts';
export { type EvaluateOptions, evaluate } from '../eval/evaluate.ts';
export { mergeParts, type Part, readPart } from '../eval/merge.ts';
export type { BackendResult, BackendRun, Report, Subject } from '../eval/report.ts';
export { type ClassifierModel, readClassifier } from '../eval/runtime/model-input.ts';
export type { Shard } from '../eval/shard.ts';
export type { Disagreement } from '../eval/tally/disagreements.ts';
export type { Quartiles } from '../eval/tally/statistics.ts';
export { Tally } from '../eval/tally/tally.ts';
export { defaultThresholds, type Thresholds, thresholdsOf, type Verdict } from '../eval/tally/thresholds.ts';
export { type Bisection, type BisectOptions, bisect, type LayerDifference, type Side } from '../eval/verify/bisect.ts';
export { type CalibrateOptions, calibrate, type Method, methodNames } from '../eval/verify/calibrate.ts';
export { type Verification, verifyExport } from '../eval/verify/export.ts';
export { type Fp16Comparison, type Fp16Verification, type VerifyFp16Options, verifyFp16 } from '../eval/verify/fp16.ts';
export { type Int8Options, type Int8Verification, verifyInt8 } from '../eval/verify/int8.ts';
export type { LayerError } from '../eval/verify/layer-errors.ts';
export { type PackData, type PackFile, type PackVerification, type VerifyPackOptions, verifyPack } from '../eval/verify/pack.ts';
export { type ReferenceOptions, referenceLogits } from '../eval/verify/reference.ts';
export type { Accuracy } from '../eval/verify/rounded-form.ts';
export type { ImageBatch, ImageSet, ImageShape, Split } from './data/dataset.ts';
export { type OpenImageSetOptions, openImageSet } from './data/open.ts';
export * from './errors.ts';
