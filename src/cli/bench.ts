import { basename } from 'node:path';
import Table from 'cli-table3';
import { Command, Option } from 'commander';
import { localBackendNames } from '../../eval/backends/table.ts';
import { bench, type Measurement, usualBatch } from '../../eval/bench/bench.ts';
import { profile } from '../../eval/bench/profile.ts';
import { profileOneBit } from '../../eval/bench/profile-onebit.ts';
import type { FileProfile } from '../../eval/html/bench-page.ts';
import { fileFacts } from '../../eval/plan.ts';
import type { RunRecord } from '../../eval/record.ts';
import { readInputs } from '../../eval/runtime/model-input.ts';
import type { Shapes, Sizes } from '../../eval/runtime/random-run.ts';
import { UsageError } from '../errors.ts';
import { percent, significant } from '../numbers.ts';
import { printable } from '../printable.ts';
import { version } from '../version.ts';
import { formatOption, namedSizes, naturalNumber, naturalNumbers } from './shared/arguments.ts';
import { workingBackends } from './shared/choose-backends.ts';
import { catchInterrupt } from './shared/interrupt.ts';
import { requireWritable, writeOutput } from './shared/output-file.ts';
import { Progress } from './shared/progress.ts';
import { printJson, printText } from './shared/results.ts';
import { runRecord } from './shared/run-record.ts';
import { readOnnx } from './shared/source.ts';
import { fittedTable, plain, wideOption } from './shared/table.ts';

interface Flags {
  readonly backend: string;
  readonly batch?: readonly number[];
  readonly shape?: Sizes;
  readonly threads?: readonly number[];
  readonly runs: number;
  readonly browser?: string;
  readonly softwareGpu?: boolean;
  readonly profile?: boolean;
  readonly chart?: string;
  readonly report?: string;
  readonly force: boolean;
  readonly wide: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return new Command('bench')
    .argument(
      '<files...>',
      'ONNX files, sources or names of networks (see wrn-onnx models); each is compared with the first. Models that take no images get random input',
    )
    .addOption(new Option('--backend <names>', `backends, separated by commas, or all: ${localBackendNames.join(', ')}`).default('cpu'))
    .addOption(
      new Option(
        '--batch <sizes>',
        'batch sizes, separated by commas; for models without images: the first size of their inputs (default: the one that the first file fixes, or 8)',
      ).argParser(naturalNumbers),
    )
    .addOption(
      new Option(
        '--shape <name=sizes>',
        'shape of random input: NAME=SIZExSIZE... for an input, NAME=SIZE for a dimension; repeatable',
      ).argParser(namedSizes),
    )
    .addOption(
      new Option('--threads <counts>', 'numbers of threads for CPU and wasm kernels, separated by commas').argParser(naturalNumbers),
    )
    .addOption(new Option('--runs <n>', 'timed runs per file and setting').argParser(naturalNumber).default(10))
    .option(
      '--profile',
      'show time per layer and operator on the CPU (with the backend onebit: on our own kernels) and the share of the peak speed',
    )
    .option('--chart <name>', 'draw the result as NAME.svg and NAME.png')
    .option('--report <file>', 'write the result as an HTML page')
    .option('--browser <path>', 'Chrome, Chromium or Edge to use (default: the first one found)')
    .option('--software-gpu', 'render WebGPU and WebGL in software (SwiftShader)')
    .option('--force', 'replace an existing chart or report', false)
    .addOption(formatOption())
    .addOption(wideOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx bench dense.onnx packed.onnx int8.onnx --backend cpu,wasm --batch 1,8 --chart speed')
    .action(run);
}

async function run(paths: readonly string[], flags: Flags): Promise<void> {
  const charts = flags.chart === undefined ? [] : [`${flags.chart}.svg`, `${flags.chart}.png`];
  const rules = { force: flags.force, sources: paths };
  for (const path of [...charts, ...(flags.report === undefined ? [] : [flags.report])]) requireWritable(path, rules);
  const names = paths.map((path) => basename(path));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UsageError(`expected files with different names, got ${twice} twice`);
  const files = await Promise.all(
    paths.map(async (path) => ({
      name: basename(path),
      model: await readOnnx(path),
    })),
  );
  const backendOptions = { browser: flags.browser, softwareGpu: flags.softwareGpu };
  const models = files.map(({ model }) => model);
  const batches = flags.batch ?? models.slice(0, 1).map(usualBatch);
  const [batch = 1] = batches;
  const backends = await workingBackends(flags, { ...backendOptions, batch }, models);
  const threads = flags.threads ?? [undefined];
  const record = runRecord();
  const interrupt = catchInterrupt('interrupted');
  const progress = new Progress('runs');
  const measurements: Measurement[] = [];
  const profiles: FileProfile[] = [];
  try {
    const options = {
      backends,
      batches,
      sizes: flags.shape,
      threads,
      runs: flags.runs,
      backendOptions,
      signal: interrupt.signal,
    };
    for await (const one of bench(files, { ...options, onProgress: (setting, done, total) => progress.update(setting, done, total) })) {
      measurements.push(one);
    }
    if (flags.profile) {
      const options = { batch, sizes: flags.shape, threads: threads[0], runs: flags.runs, signal: interrupt.signal };
      const onebit = backends.includes('onebit');
      for (const { name, model } of files) {
        const measured = await (onebit ? profileOneBit(model, options) : profile(model, options));
        profiles.push({ file: name, on: onebit ? 'onebit' : 'the CPU', profile: measured });
      }
    }
  } finally {
    progress.stop();
    interrupt.release();
    if (measurements.length > 0) print(measurements, profiles, record, flags); // also when an error ended the rest
  }
  if (flags.report !== undefined) {
    const { benchPage } = await import('../../eval/html/bench-page.ts');
    const facts = files.map(({ name, model }) => fileFacts(name, { bytes: model, metadata: readInputs(model).metadata }));
    const page = benchPage({ files: facts, measurements, profiles, version }, record);
    await writeOutput(flags.report, Buffer.from(page), rules);
  }
  if (charts.length > 0) {
    const [{ benchChart }, { toPng }] = await Promise.all([import('../../eval/bench/chart.ts'), import('../chart/png.ts')]);
    const svg = benchChart(measurements, [record.machine, record.date.slice(0, 10)]);
    const [svgPath, pngPath] = charts as [string, string];
    await writeOutput(svgPath, Buffer.from(svg), rules);
    await writeOutput(pngPath, await toPng(svg), rules);
  }
}

function print(measurements: readonly Measurement[], profiles: readonly FileProfile[], record: RunRecord, { format, wide }: Flags): void {
  if (format === 'json') printJson({ measurements, profiles, version, ...record });
  else printText([measurementTable(measurements, wide), ...profiles.map(profileTable)].join('\n'));
}

/** Columns left out on a narrow terminal, in this order. */
const OPTIONAL = ['first', 'size', 'quartiles', 'memory', 'load', 'threads', 'images/s'];

function measurementTable(measurements: readonly Measurement[], wide: boolean): string {
  const head = ['file', 'backend', 'threads', 'batch', 'ms/image', 'quartiles', 'images/s', 'speed', 'load', 'first', 'memory', 'size'];
  const rows: string[][] = [];
  const ratio = (value: number | null) => (value === null ? '' : ` (${value.toFixed(2)})`);
  for (const one of measurements) {
    const milliseconds = (seconds: number) => significant((seconds * 1000) / one.batch);
    const memory = one.peakMemoryBytes === null ? '-' : `${Math.round(one.peakMemoryBytes / 1e6)} MB${ratio(one.memoryRatio)}`;
    const { median, low, high } = one.seconds;
    rows.push([
      one.file,
      one.backend,
      String(one.threads ?? 'default'),
      String(one.batch),
      milliseconds(median),
      `${milliseconds(low)} to ${milliseconds(high)}`,
      significant(one.imagesPerSecond),
      `${one.speedup.toFixed(2)}x`,
      `${one.loadSeconds.toFixed(2)} s${ratio(one.loadRatio)}`,
      `${one.firstSeconds.toFixed(3)} s`,
      memory,
      `${(one.fileBytes / 1e6).toFixed(2)} MB`,
    ]);
  }
  const details = new Map(measurements.map(({ backend, detail }) => [backend, detail]));
  const ran = [...details].map(([backend, detail]) => `  ${backend}: ${detail}\n`).join('');
  const shapes = (inputs: Shapes) => Object.entries(inputs).map(([name, dims]) => `${name} [${dims.join(', ')}]`);
  const random = measurements.map(({ file, inputs }) =>
    inputs ? `  ${printable(file)}: random input ${shapes(inputs).join(', ')}\n` : '',
  );
  return `${fittedTable(head, rows, { optional: OPTIONAL, wide, compact: true })}\n${ran}${[...new Set(random)].join('')}speed: relative to the first file in the same setting. In parentheses: load time and memory relative to the first file\n`;
}

function profileTable({ file, on, profile }: FileProfile): string {
  const { batch, matmul, peak, layers, ops, microsecondsPerImage } = profile;
  const table = new Table({
    head: ['layer', 'operators', 'µs/image', 'share', 'M MACs', 'of peak'],
    style: { ...plain.style, compact: true },
  }); // a hundred rows: no lines between them
  const share = (fraction: number) => percent(fraction, 1);
  for (const { layer, fused, ops, microsecondsPerImage: time, multiplyAccumulates, ofPeak } of layers) {
    const macs = multiplyAccumulates ? (multiplyAccumulates / 1e6).toFixed(1) : '-';
    table.push([
      [layer, ...fused.map((name) => name.split('.').at(-1))].join(' + '),
      ops.join(' '),
      time.toFixed(1),
      share(time / microsecondsPerImage),
      macs,
      ofPeak === null ? '-' : share(ofPeak),
    ]);
  }
  const giga = (rate: number) => `${(rate / 1e9).toFixed(0)} G MACs/s`;
  return [
    `\n${printable(file)} on ${on}, batch size ${batch}: ${microsecondsPerImage.toFixed(0)} µs per image`,
    table.toString(),
    `  by operator: ${ops.map(({ op, microsecondsPerImage: time }) => `${op} ${share(time / microsecondsPerImage)}`).join(', ')}`,
    `  peak, the fastest layer or product of 1024 x 1024 matrices: float32 ${giga(peak.float32)}, int8 ${giga(peak.int8)}`,
    `  the matrix product alone: float32 ${giga(matmul.float32)}, int8 ${giga(matmul.int8)}`,
    '  conv + norm + relu: the runtime fused these layers into the convolution',
    '',
  ].join('\n');
}
