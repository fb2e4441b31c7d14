/** `bench`: compares speed, load time and memory of files. */
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { localBackendNames } from '../../../eval/backends/table.ts';
import { bench, type Measurement, usualBatch } from '../../../eval/bench/bench.ts';
import { profile } from '../../../eval/bench/profile.ts';
import { profileOneBit } from '../../../eval/bench/profile-onebit.ts';
import type { FileProfile } from '../../../eval/html/bench-page.ts';
import { fileFacts } from '../../../eval/plan.ts';
import type { RunRecord } from '../../../eval/record.ts';
import { readInputs } from '../../../eval/runtime/model-input.ts';
import type { Sizes } from '../../../eval/runtime/random-run.ts';
import { UsageError } from '../../errors.ts';
import { version } from '../../version.ts';
import { browserOption, formatOption, namedSizes, naturalNumber, naturalNumbers, softwareGpuOption } from '../shared/arguments.ts';
import { workingBackends } from '../shared/choose-backends.ts';
import { requireWritable, writeOutput } from '../shared/output-file.ts';
import { withProgress } from '../shared/progress.ts';
import { printJson, printText } from '../shared/results.ts';
import { runRecord } from '../shared/run-record.ts';
import { readOnnx } from '../shared/source.ts';
import { wideOption } from '../shared/table.ts';
import { measurementTable, profileTable } from './tables.ts';

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
    .addOption(browserOption())
    .addOption(softwareGpuOption())
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
  const files = await Promise.all(paths.map(async (path) => ({ name: basename(path), model: await readOnnx(path) })));
  const backendOptions = { browser: flags.browser, softwareGpu: flags.softwareGpu };
  const models = files.map(({ model }) => model);
  const batches = flags.batch ?? models.slice(0, 1).map(usualBatch);
  const [batch = 1] = batches;
  const backends = await workingBackends(flags, { ...backendOptions, batch }, models);
  const threads = flags.threads ?? [undefined];
  const record = runRecord();
  const measurements: Measurement[] = [];
  const profiles: FileProfile[] = [];
  try {
    await withProgress('runs', 'interrupted', async (progress, signal) => {
      const common = { sizes: flags.shape, runs: flags.runs, signal };
      const onProgress = (setting: string, done: number, total: number) => progress.update(setting, done, total);
      for await (const one of bench(files, { ...common, backends, batches, threads, backendOptions, onProgress })) measurements.push(one);
      if (!flags.profile) return;
      const onebit = backends.includes('onebit');
      for (const { name, model } of files) {
        const measured = await (onebit ? profileOneBit : profile)(model, { ...common, batch, threads: threads[0] });
        profiles.push({ file: name, on: onebit ? 'onebit' : 'the CPU', profile: measured });
      }
    });
  } finally {
    if (measurements.length > 0) print(measurements, profiles, record, flags); // also when an error ended the rest
  }
  if (flags.report !== undefined) {
    const { benchPage } = await import('../../../eval/html/bench-page.ts');
    const facts = files.map(({ name, model }) => fileFacts(name, { bytes: model, metadata: readInputs(model).metadata }));
    const page = benchPage({ files: facts, measurements, profiles, version }, record);
    await writeOutput(flags.report, Buffer.from(page), rules);
  }
  if (charts.length > 0) {
    const [{ benchChart }, { toPng }] = await Promise.all([import('../../../eval/bench/chart.ts'), import('../../chart/png.ts')]);
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
