/** `eval --bisect`. */
import { basename } from 'node:path';
import Table from 'cli-table3';
import type { BackendOptions } from '../../eval/backends/backend.ts';
import type { BackendName } from '../../eval/backends/table.ts';
import { type Bisection, bisect } from '../../eval/bisect.ts';
import { readClassifier } from '../../eval/model-input.ts';
import { openImageSet } from '../data/open.ts';
import { ParityError, UsageError } from '../errors.ts';
import { chooseBackends } from './choose-backends.ts';
import { dataFolder } from './data-folder.ts';
import { readInput } from './input-file.ts';

export interface BisectFlags extends Pick<BackendOptions, 'threads' | 'browser' | 'softwareGpu'> {
  readonly data: string;
  readonly backend: string;
  readonly reference?: BackendName;
  readonly against?: string;
  readonly limit?: number;
  readonly format: 'human' | 'json';
}

/** Images that --bisect runs when no --limit is given. */
const BISECT_IMAGES = 2;

export async function runBisect(file: string, flags: BisectFlags): Promise<void> {
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
