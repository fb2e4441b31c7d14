import { basename } from 'node:path';
import Table from 'cli-table3';
import { Command, Option } from 'commander';
import { writeNpy } from '../../converters/formats/npy.ts';
import type { BackendOptions } from '../../eval/backends/backend.ts';
import { type Availability, probe } from '../../eval/backends/probe.ts';
import { type BackendName, backendNames, backends } from '../../eval/backends/table.ts';
import { type Bisection, bisect } from '../../eval/bisect.ts';
import { evaluate, type Report } from '../../eval/evaluate.ts';
import { readClassifier } from '../../eval/model-input.ts';
import { defaultThresholds } from '../../eval/parity.ts';
import { openImageSet } from '../data/open.ts';
import { DeviceError, InterruptedError, ParityError, UsageError } from '../errors.ts';
import { naturalNumber } from './arguments.ts';
import { dataFolder } from './data-folder.ts';
import { readInput } from './input-file.ts';
import { refuseExisting, writeOutput } from './output-file.ts';
import { Progress } from './progress.ts';

interface Flags {
  readonly data: string;
  readonly backend: string;
  readonly reference?: BackendName;
  readonly limit?: number;
  readonly batch: number;
  readonly threads?: number;
  readonly browser?: string;
  readonly softwareGpu?: boolean;
  readonly bisect?: boolean;
  readonly against?: string;
  readonly saveLogits?: string;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return new Command('eval')
    .argument('<file>', 'ONNX file that takes raw pixels 0..255')
    .requiredOption('--data <source>', 'data set by name (wrn-onnx data list), or a folder or archive of one')
    .addOption(new Option('--backend <names>', `comma-separated, or all: ${backendNames.join(', ')}`).default('cpu'))
    .addOption(new Option('--reference <name>', 'backend that the others are compared with (default: the first)').choices(backendNames))
    .addOption(new Option('--limit <n>', 'evaluate the first n images').argParser(naturalNumber))
    .addOption(new Option('--batch <n>', 'images a batch').argParser(naturalNumber).default(16))
    .addOption(new Option('--threads <n>', 'threads of CPU and wasm kernels').argParser(naturalNumber))
    .option('--browser <path>', 'Chrome, Chromium or Edge to drive (default: found by name)')
    .option('--software-gpu', 'render WebGPU and WebGL in software (SwiftShader)')
    .option('--bisect', 'name the first layer whose output differs between two backends, or two files (--against)')
    .option('--against <file>', 'with --bisect: the other file, on the same backend')
    .option('--save-logits <file>', 'write the logits, shape [images, classes], for numpy; one file a backend when there are several')
    .option('--force', 'replace an existing logits file', false)
    .addOption(new Option('--format <format>', 'of the result on stdout').choices(['human', 'json']).default('human'))
    .addHelpText('after', '\nExample:\n  $ wrn-onnx eval wrn-20-10.onnx --data cifar-10 --backend cpu,wasm --limit 500')
    .action(run);
}

async function run(file: string, flags: Flags): Promise<void> {
  if (flags.bisect) return runBisect(file, flags);
  if (flags.against !== undefined) throw new UsageError('--against goes with --bisect');
  const model = await readInput(file);
  const { input, classes } = readClassifier(model);
  const backendOptions: BackendOptions = {
    threads: flags.threads,
    browser: flags.browser,
    softwareGpu: flags.softwareGpu,
    batch: input.fixedBatch ?? flags.batch,
  };
  const chosen = await chooseBackends(flags, backendOptions);
  const outputs = logitFiles(flags, chosen);
  for (const path of outputs.values()) refuseExisting(path, flags.force);
  const data = await openImageSet(flags.data, { split: 'test', shape: input, classes, dataFolder: dataFolder() });
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort();
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  const progress = new Progress();
  const logits = new Map<BackendName, Float32Array>();
  let report: Report;
  try {
    const total = Math.min(flags.limit ?? data.length, data.length);
    for (const backend of outputs.keys()) logits.set(backend, new Float32Array(total * classes));
    report = await evaluate({
      model,
      modelName: basename(file),
      data,
      backends: chosen,
      reference: flags.reference,
      limit: flags.limit,
      backendOptions,
      signal: interrupt.signal,
      onProgress: (backend, done) => progress.update(backend, done, total),
      onLogits: (backend, offset, values) => logits.get(backend)?.set(values, offset * classes),
    });
  } finally {
    progress.stop();
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
    await data.close();
  }
  for (const { backend, images } of report.results) {
    const path = outputs.get(backend);
    const values = logits.get(backend)?.subarray(0, images * classes);
    if (path && values) await writeOutput(path, writeNpy([images, classes], values), { force: flags.force });
  }
  process.stdout.write(flags.format === 'json' ? `${JSON.stringify(report)}\n` : describe(report));
  if (interrupt.signal.aborted) throw new InterruptedError('interrupted: the table holds what was done');
  if (report.verdict === 'fail') throw new ParityError(`parity failed: ${failed(report).join(', ')} beyond the thresholds`);
}

/** Images that --bisect runs when no --limit is given. */
const BISECT_IMAGES = 2;

async function runBisect(file: string, flags: Flags): Promise<void> {
  const model = await readInput(file);
  const { input, classes } = readClassifier(model);
  const { threads, browser, softwareGpu } = flags;
  const backendOptions: BackendOptions = { threads, browser, softwareGpu, batch: 1 };
  const names = await chooseBackends(flags, backendOptions);
  const [first, second = first] = names;
  if (!first || !second || names.length !== (flags.against === undefined ? 2 : 1)) {
    throw new UsageError('--bisect compares two backends (--backend cpu,wasm), or two files on one backend (--against OTHER.onnx)');
  }
  const data = await openImageSet(flags.data, { split: 'test', shape: input, classes, dataFolder: dataFolder() });
  try {
    for await (const { imagesNCHW, count } of data.batches(flags.limit ?? BISECT_IMAGES)) {
      const a = { name: basename(file), model, backend: first };
      const b =
        flags.against === undefined
          ? { ...a, backend: second }
          : { ...a, name: basename(flags.against), model: await readInput(flags.against) };
      const result = await bisect(a, b, {
        imagesNCHW: new Uint8Array(imagesNCHW),
        count,
        tolerance: defaultThresholds.relError,
        backendOptions,
      });
      process.stdout.write(flags.format === 'json' ? `${JSON.stringify(result)}\n` : describeBisection(result));
      if (result.first) throw new ParityError(`the two part at ${result.first.layer} (${result.first.op})`);
      return;
    }
  } finally {
    await data.close();
  }
}

function describeBisection({ a, b, images, tolerance, layers, first }: Bisection): string {
  const table = new Table({
    head: ['layer', 'op', 'rel. error', 'max diff', ''],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const number = (value: number | null) => value?.toExponential(1) ?? 'other shape';
  for (const row of layers)
    table.push([row.layer, row.op, number(row.relError), number(row.maxAbsDiff), row === first ? '<- first beyond the tolerance' : '']);
  const verdict = first ? `They part at ${first.layer} (${first.op}).` : 'No layer differs.';
  return `A: ${a}\nB: ${b}\n${images} images, tolerance ${tolerance}\n${table.toString()}\n${verdict}\n`;
}

/** The backends named, all of which must be there; or with `all` those that this machine has. */
async function chooseBackends(flags: Flags, options: BackendOptions): Promise<BackendName[]> {
  const all = flags.backend === 'all';
  const names = all ? backendNames : [...new Set(flags.backend.split(',').map((name) => name.trim() as BackendName))];
  for (const name of names)
    if (!(name in backends)) throw new UsageError(`unknown backend ${name}. Known: ${backendNames.join(', ')}, or all`);
  if (flags.reference && !names.includes(flags.reference)) names.unshift(flags.reference);
  const available: BackendName[] = [];
  for (const name of names) {
    const answer: Availability = names.length === 1 ? { ok: true, detail: '' } : await probe(name, options);
    if (answer.ok) available.push(name);
    else if (!all || name === flags.reference) throw new DeviceError(answer.reason);
    else process.stderr.write(`not on this machine: ${name}: ${answer.reason}\n`);
  }
  return available;
}

function logitFiles({ saveLogits }: Flags, names: readonly BackendName[]): Map<BackendName, string> {
  if (saveLogits === undefined) return new Map();
  const stem = saveLogits.replace(/\.npy$/, '');
  return new Map(names.map((name) => [name, names.length === 1 ? saveLogits : `${stem}.${name}.npy`]));
}

function failed({ results }: Report): string[] {
  return results.filter(({ verdict }) => verdict === 'fail').map(({ backend }) => backend);
}

function describe({ model, data, images, reference, thresholds, results, verdict }: Report): string {
  const percent = (value: number | null) => (value === null ? '-' : `${(value * 100).toFixed(2)} %`);
  const small = (value: number | null) => (value === null ? '-' : value.toExponential(1));
  const hasTop5 = results.some(({ top5 }) => top5 !== null);
  const table = new Table({
    head: [
      'backend',
      'images',
      'top-1',
      ...(hasTop5 ? ['top-5'] : []),
      'agreement',
      'flips',
      'max diff',
      'mean diff',
      'rel. error',
      'images/s',
      'load',
      'memory',
      'verdict',
    ],
    style: { head: [], border: [] },
  });
  for (const r of results) {
    table.push([
      r.backend,
      r.images.toLocaleString('en-US'),
      percent(r.top1),
      ...(hasTop5 ? [percent(r.top5)] : []),
      percent(r.agreement),
      r.flips ?? '-',
      small(r.maxAbsDiff),
      small(r.meanAbsDiff),
      small(r.relError),
      r.imagesPerSecond?.toFixed(1) ?? '-',
      `${r.loadSeconds.toFixed(2)} s`,
      r.peakMemoryBytes === null ? '-' : `${Math.round(r.peakMemoryBytes / 1e6)} MB`,
      r.verdict,
    ]);
  }
  const limits = `agreement at least ${percent(thresholds.agreement)}, relative error at most ${thresholds.relError}`;
  return [
    `${model} on ${images.toLocaleString('en-US')} images of ${data}`,
    table.toString(),
    ...results.map(({ backend, detail }) => `  ${backend}: ${detail}`),
    results.length > 1 ? `parity with ${reference}: ${verdict} (${limits})` : 'one backend: nothing to compare with',
    '',
  ].join('\n');
}
