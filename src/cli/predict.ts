import Table from 'cli-table3';
import { Command, Option } from 'commander';
import { type BackendName, backendOf, localBackendNames } from '../../eval/backends/table.ts';
import type { Html } from '../../eval/html/html.ts';
import { picture } from '../../eval/html/picture.ts';
import { fileFacts } from '../../eval/plan.ts';
import { logitsOf } from '../../eval/runtime/model-input.ts';
import { decodeImage, IMAGE_FILE, IMAGE_FORMATS } from '../data/files/decode-image.ts';
import { type Prediction, topK } from '../network/softmax.ts';
import { percent } from '../numbers.ts';
import { version } from '../version.ts';
import { formatOption, naturalNumber } from './shared/arguments.ts';
import { readInput } from './shared/input-file.ts';
import { requireWritable, writeOutput } from './shared/output-file.ts';
import { expandPaths } from './shared/paths.ts';
import { printJson, printText, say } from './shared/results.ts';
import { runRecord } from './shared/run-record.ts';
import { readNetwork } from './shared/source.ts';

interface Flags {
  readonly backend: BackendName;
  readonly top: number;
  readonly threads?: number;
  readonly browser?: string;
  readonly softwareGpu?: boolean;
  readonly report?: string;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return new Command('predict')
    .argument(
      '<file>',
      'ONNX file that takes raw pixels 0..255, or any source that export reads (it is exported in memory), or the name of a network (see wrn-onnx models), such as cifar-10-wrn-20-1',
    )
    .argument(
      '<image...>',
      `images (${IMAGE_FORMATS}), folders of them, or patterns such as 'photos/*.jpg'; scaled to cover the network's input, then cropped to its centre`,
    )
    .addOption(new Option('--backend <name>', 'backend to run on').choices(localBackendNames).default('cpu'))
    .addOption(new Option('--top <k>', 'number of classes to print').argParser(naturalNumber).default(5))
    .addOption(new Option('--threads <n>', 'number of threads for CPU and wasm kernels').argParser(naturalNumber))
    .option('--browser <path>', 'Chrome, Chromium or Edge to use (default: the first one found)')
    .option('--software-gpu', 'render WebGPU and WebGL in software (SwiftShader)')
    .option('--report <file>', 'write the images, as the network sees them, and their classes as an HTML page')
    .option('--force', 'replace an existing report', false)
    .addOption(formatOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ wrn-onnx predict wrn-20-10.onnx photo.jpg --top 3\n  $ wrn-onnx predict cifar-10-wrn-20-1 photos --report photos.html',
    )
    .action(run);
}

async function run(named: string, images: readonly string[], flags: Flags): Promise<void> {
  const { threads, browser, softwareGpu, report } = flags;
  const rules = { force: flags.force, sources: images };
  if (report !== undefined) requireWritable(report, rules);
  const { name, model, source } = await readNetwork(named);
  const { input, metadata } = model;
  const batch = input.fixedBatch ?? 1;
  const session = await backendOf(flags.backend).open(model.bytes, input, { threads, browser, softwareGpu, batch, source });
  const results: Result[] = [];
  const seen: Html[] = [];
  try {
    for (const image of await expandPaths(images, IMAGE_FILE)) {
      const pixels = await decodeImage(await readInput(image), input, image); // one by one: together they may not fit into memory
      const { outputs } = await session.run(pixels, 1);
      results.push({ image, classes: topK(logitsOf(outputs, model, 1), flags.top, metadata?.about.classLabels) });
      if (report !== undefined) seen.push(await picture({ ...input, pixels }, image));
    }
  } finally {
    await session.close();
    if (results.length > 0) print(named, flags, results); // also when an error ended the rest
  }
  if (report !== undefined) {
    const { predictPage } = await import('../../eval/html/predict-page.ts');
    const file = fileFacts(name, model);
    const page = predictPage(
      {
        file,
        backend: `${flags.backend}: ${session.detail}`,
        images: results.map((result, i) => ({ ...result, picture: seen[i] as Html })),
        version,
      },
      runRecord(),
    );
    await writeOutput(report, Buffer.from(page), rules);
  }
  if (!metadata?.about.classLabels) say(`${named} has no class labels. Export it with --dataset NAME to add them`);
}

interface Result {
  readonly image: string;
  readonly classes: readonly Prediction[];
}

function print(file: string, { backend, format }: Flags, results: readonly Result[]): void {
  if (format === 'json') {
    printJson({ model: file, backend, results, version, ...runRecord() });
    return;
  }
  const table = new Table({ head: ['image', 'class', 'probability'], style: { head: [], border: [] } });
  for (const { image, classes } of results) {
    const rows = classes.map(({ label, probability }) => [label, percent(probability)]);
    for (const [i, row] of rows.entries()) table.push(i === 0 ? [{ content: image, rowSpan: rows.length }, ...row] : row);
  }
  printText(`${table.toString()}\n`);
}
