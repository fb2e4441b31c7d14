/** Finishes a training run: writes model file and ONNX file, compares them with the training runtime, and writes the report. */
import { readFileSync } from 'node:fs';
import { sha256 } from '#builtin';
import { toOnnx } from '../../../converters/onnx/write.ts';
import type { BackendName } from '../../../eval/backends/table.ts';
import { evaluate } from '../../../eval/evaluate.ts';
import type { RunRecord } from '../../../eval/record.ts';
import type { Report } from '../../../eval/report.ts';
import { type Verification, verifyExport } from '../../../eval/verify/export.ts';
import type { ImageSet } from '../../data/dataset.ts';
import { bitsName, type NetworkConfig, networkName } from '../../network/config.ts';
import type { Model } from '../../network/model.ts';
import { writeModelFile } from '../../network/model-file.ts';
import { layers, multiplyAccumulates, weightCount } from '../../network/topology.ts';
import { percent } from '../../numbers.ts';
import { batchesPerEpoch } from '../../train/batches/training-set.ts';
import type { Recipe } from '../../train/recipe.ts';
import type { EpochEntry } from '../../train/run/log.ts';
import type { RunFolder } from '../../train/run/run-folder.ts';
import { isCycleEnd } from '../../train/schedule.ts';
import { version } from '../../version.ts';
import { reportFile } from '../eval/report.ts';
import { resultTable } from '../eval/result-table.ts';
import { runRecord } from '../shared/run-record.ts';
import { modelCard } from './model-card.ts';

/** `report.json`: enough for a table of results, and to train the same network again. Fractions are 0 to 1. */
export interface RunReport extends RunRecord {
  readonly network: string;
  readonly bits: 1 | 32;
  readonly weights: number;
  readonly config: NetworkConfig;
  readonly recipe: Recipe;
  readonly epochs: number;
  readonly data: { readonly name: string; readonly trainImages: number; readonly testImages: number };
  /** At the end of every cycle of the learning rate; `trainError` over its last epoch. */
  readonly cycles: readonly { readonly epoch: number; readonly testError: number; readonly trainError: number | null }[];
  /** At the end of the run, which need not end a cycle. */
  readonly testError: number | null;
  readonly training: {
    /** Time of the training steps alone, from the speed logged for each epoch. */
    readonly seconds: number;
    /** Null when the log was lost. */
    readonly imagesPerSecond: number | null;
    readonly largestRssBytes: number;
  };
  readonly versions: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  readonly verification: Verification;
  readonly parity: Report;
}

export interface FinishOptions {
  readonly model: Model;
  readonly recipe: Recipe;
  readonly epochs: number;
  readonly trainImages: ImageSet;
  readonly test: ImageSet;
  readonly folder: RunFolder;
  readonly signal: AbortSignal;
  /** Progress of the comparison. */
  readonly onProgress: (backend: string, images: number, total: number) => void;
}

/** The training runtime comes first, as the reference for the others. */
const BACKENDS: readonly BackendName[] = ['tfjs', 'cpu', 'wasm'];
/** Multiply-accumulates of the comparison: a minute or two on two cores. WRN-20-1 gets 24,000 images, WRN-20-10 gets 250. */
const PARITY_BUDGET = 1e12;
const FEWEST_IMAGES = 100;
const PARITY_BATCH = 16;
const EXPORT = { form: 'packed', input: 'nchw-float' } as const;

/**
 * Writes model.safetensors, model.onnx, the comparison (parity.txt, report.html), the whole run (report.json) and the model card (README.md).
 * @throws ParityError when the ONNX file differs from the model; a difference between runtimes is in the report's verdict.
 * @throws `signal.reason` when it is aborted; resume the run to finish it.
 */
export async function finishRun(options: FinishOptions): Promise<RunReport> {
  const { model, recipe, epochs, trainImages, test, folder, signal, onProgress } = options;
  folder.write('model.safetensors', writeModelFile(model));
  const file = toOnnx(model, EXPORT);
  const verification = await verifyExport(file, { model });
  folder.write('model.onnx', file);
  const { config } = model;
  const parity = await evaluate(file, {
    modelName: 'model.onnx',
    data: test,
    backends: BACKENDS,
    limit: Math.max(FEWEST_IMAGES, Math.floor(PARITY_BUDGET / costOf(config))),
    backendOptions: { batch: PARITY_BATCH, source: readFileSync(folder.checkpointPath) },
    signal,
    onProgress,
  });
  folder.write('parity.txt', Buffer.from(resultTable(parity)));

  const log = folder.readLog();
  const epochEntries = log.filter((entry) => entry.kind === 'epoch');
  const cycles = log.flatMap((entry) => {
    if (entry.kind !== 'test' || !isCycleEnd(recipe.schedule, entry.epoch)) return [];
    const trainError = epochEntries.find(({ epoch }) => epoch === entry.epoch)?.trainError ?? null;
    return [{ epoch: entry.epoch, testError: entry.testError, trainError }];
  });
  const names = ['checkpoint.safetensors', 'model.safetensors', 'model.onnx', 'log.jsonl'];
  const record = runRecord();
  const report: RunReport = {
    network: networkName(config),
    bits: config.bits,
    weights: weightCount(config),
    config,
    recipe,
    epochs,
    data: { name: test.name, trainImages: trainImages.length, testImages: test.length },
    cycles,
    testError: log.findLast((entry) => entry.kind === 'test')?.testError ?? null,
    training: summarize(epochEntries, batchesPerEpoch(trainImages, recipe.batch) * recipe.batch),
    versions: {
      'wrn-onnx': version,
      node: process.versions.node,
      ...Object.fromEntries(parity.results.map(({ backend, detail }) => [backend, detail])),
    },
    ...record,
    files: Object.fromEntries(names.map((name) => [name, describeFile(readFileSync(folder.path(name)))])),
    verification,
    parity,
  };
  folder.write('report.json', Buffer.from(`${JSON.stringify(report, null, 2)}\n`));
  folder.write('report.html', await reportFile(parity, record));
  folder.write('README.md', Buffer.from(modelCard(report, ['model.safetensors', 'model.onnx'])));
  return report;
}

/** A report in words, with the paths of its files. */
export function describeRun({ network, bits, epochs, testError, parity }: RunReport, folder: RunFolder): string {
  const error = testError === null ? 'unknown' : percent(testError);
  const files = ['model.safetensors', 'model.onnx', 'report.json', 'report.html', 'curve.png'].map((name) => `  ${folder.path(name)}\n`);
  return `${network}, ${bitsName({ bits })}: test error ${error} after ${epochs} epoch${epochs === 1 ? '' : 's'}\n${files.join('')}${resultTable(parity)}`;
}

/** Multiply-accumulates of one image. */
function costOf(config: NetworkConfig): number {
  return layers(config).reduce((sum, layer) => sum + multiplyAccumulates(layer), 0);
}

function summarize(entries: readonly EpochEntry[], imagesPerEpoch: number): RunReport['training'] {
  const seconds = entries.reduce((sum, { imagesPerSecond }) => sum + imagesPerEpoch / imagesPerSecond, 0);
  return {
    seconds,
    imagesPerSecond: seconds > 0 ? (entries.length * imagesPerEpoch) / seconds : null,
    largestRssBytes: Math.max(0, ...entries.map(({ rssBytes }) => rssBytes)),
  };
}

function describeFile(bytes: Uint8Array): { bytes: number; sha256: string } {
  return { bytes: bytes.length, sha256: sha256(bytes) };
}
