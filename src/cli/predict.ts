/** `predict`: prints the most likely classes of images. */
import { Command, Option } from 'commander';
import { type BackendName, backendOf, localBackendNames } from '../../eval/backends/table.ts';
import type { Html } from '../../eval/html/html.ts';
import { picture } from '../../eval/html/picture.ts';
import { fileFacts } from '../../eval/plan.ts';
import { logitsOf } from '../../eval/runtime/model-input.ts';
import { decodeImage, IMAGE_FILE, IMAGE_FORMATS } from '../data/files/decode-image.ts';
import { type Prediction, topK } from '../network/logits.ts';
import { percent } from '../numbers.ts';
import { version } from '../version.ts';
import { browserOption, formatOption, naturalNumber, softwareGpuOption, threadsOption } from './shared/arguments.ts';
import { readInput } from './shared/input-file.ts';
import { requireWritable, writeOutput } from './shared/output-file.ts';
import { expandPaths } from './shared/paths.ts';
import { printJson, printText, say } from './shared/results.ts';
import { runRecord } from './shared/run-record.ts';
import { NETWORK_HELP, readNetwork } from './shared/source.ts';
import { drawTable } from './shared/table.ts';

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
    .argument('<file>', NETWORK_HELP)
    .argument(
      '<image...>',
      `images (${IMAGE_FORMATS}), folders of them, or patterns such as 'photos/*.jpg'; scaled to cover the network's input, then cropped to its centre`,
    )
    .addOption(new Option('--backend <name>', 'backend to run on').choices(localBackendNames).default('cpu'))
    .addOption(new Option('--top <k>', 'number of classes to print').argParser(naturalNumber).default(5))
    .addOption(threadsOption())
    .addOption(browserOption())
    .addOption(softwareGpuOption())
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
  const rows = results.flatMap(({ image, classes }) =>
    classes.map(({ label, probability }, i) => [
      ...(i === 0 ? [{ content: image, rowSpan: classes.length }] : []),
      label,
      percent(probability),
    ]),
  );
  printText(`${drawTable(['image', 'class', 'probability'], rows)}\n`);
}
