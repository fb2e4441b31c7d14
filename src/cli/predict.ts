import Table from 'cli-table3';
import { Command, Option } from 'commander';
import { type BackendName, backendNames, backends } from '../../eval/backends/table.ts';
import { logitsOf } from '../../eval/runtime/model-input.ts';
import { decodeImage, IMAGE_FILE, IMAGE_FORMATS } from '../data/files/decode-image.ts';
import { type Prediction, topK } from '../network/softmax.ts';
import { percent } from '../numbers.ts';
import { formatOption, naturalNumber } from './shared/arguments.ts';
import { readInput } from './shared/input-file.ts';
import { expandPaths } from './shared/paths.ts';
import { printJson, printText, say } from './shared/results.ts';
import { readNetwork } from './shared/source.ts';

interface Flags {
  readonly backend: BackendName;
  readonly top: number;
  readonly threads?: number;
  readonly browser?: string;
  readonly softwareGpu?: boolean;
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
    .addOption(new Option('--backend <name>', 'backend to run on').choices(backendNames).default('cpu'))
    .addOption(new Option('--top <k>', 'number of classes to print').argParser(naturalNumber).default(5))
    .addOption(new Option('--threads <n>', 'number of threads for CPU and wasm kernels').argParser(naturalNumber))
    .option('--browser <path>', 'Chrome, Chromium or Edge to use (default: the first one found)')
    .option('--software-gpu', 'render WebGPU and WebGL in software (SwiftShader)')
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx predict wrn-20-10.onnx photo.jpg --top 3')
    .action(run);
}

async function run(file: string, images: readonly string[], flags: Flags): Promise<void> {
  const { model, source } = await readNetwork(file);
  const { input, metadata } = model;
  const { threads, browser, softwareGpu } = flags;
  const batch = input.fixedBatch ?? 1;
  const session = await backends[flags.backend].open(model.bytes, input, { threads, browser, softwareGpu, batch, source });
  const results: Result[] = [];
  try {
    for (const image of await expandPaths(images, IMAGE_FILE)) {
      const pixels = await decodeImage(await readInput(image), input, image); // one by one: together they may not fit into memory
      const { outputs } = await session.run(pixels, 1);
      results.push({ image, classes: topK(logitsOf(outputs, model, 1), flags.top, metadata?.about.classLabels) });
    }
  } finally {
    await session.close();
    if (results.length > 0) print(file, flags, results); // also when an error ended the rest
  }
  if (!metadata?.about.classLabels) say(`${file} has no class labels. Export it with --dataset NAME to add them`);
}

interface Result {
  readonly image: string;
  readonly classes: readonly Prediction[];
}

function print(file: string, { backend, format }: Flags, results: readonly Result[]): void {
  if (format === 'json') {
    printJson({ model: file, backend, results });
    return;
  }
  const table = new Table({ head: ['image', 'class', 'probability'], style: { head: [], border: [] } });
  for (const { image, classes } of results) {
    const rows = classes.map(({ label, probability }) => [label, percent(probability)]);
    for (const [i, row] of rows.entries()) table.push(i === 0 ? [{ content: image, rowSpan: rows.length }, ...row] : row);
  }
  printText(`${table.toString()}\n`);
}
