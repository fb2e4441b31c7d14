/** `eval --bisect`. */
import { basename } from 'node:path';
import Table from 'cli-table3';
import type { BackendOptions } from '../../eval/backends/backend.ts';
import type { BackendName } from '../../eval/backends/table.ts';
import { type Bisection, type BisectOptions, bisect, type Side } from '../../eval/bisect.ts';
import { readClassifier } from '../../eval/model-input.ts';
import type { ImageSet } from '../data/image-set.ts';
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
  readonly shorterSide?: readonly number[];
  readonly format: 'human' | 'json';
}

/** Images that --bisect runs when no --limit is given. */
const BISECT_IMAGES = 2;

export async function runBisect(file: string, flags: BisectFlags): Promise<void> {
  const model = await readInput(file);
  const { input, classes } = readClassifier(model);
  const { threads, browser, softwareGpu } = flags;
  const backendOptions = { threads, browser, softwareGpu };
  const names = await chooseBackends(flags, { ...backendOptions, batch: 1 });
  const sides = await chooseSides({ name: basename(file), model }, names, flags.against);
  const data = await openImageSet(flags.data, {
    split: 'test',
    shape: input,
    classes,
    shorterSides: flags.shorterSide,
    dataFolder: dataFolder(),
  });
  try {
    const bisection = await bisectOn(data, sides, backendOptions, flags.limit);
    process.stdout.write(flags.format === 'json' ? `${JSON.stringify(bisection)}\n` : describeBisection(bisection));
    requireAlike(bisection);
  } finally {
    await data.close();
  }
}

/**
 * A file on two backends, or two files on one.
 * @throws UsageError when there are more or fewer
 */
export async function chooseSides(
  file: Pick<Side, 'name' | 'model'>,
  names: readonly BackendName[],
  against: string | undefined,
): Promise<[Side, Side]> {
  const [first, second = first] = names;
  if (!first || !second || names.length !== (against === undefined ? 2 : 1)) {
    throw new UsageError('--bisect compares two backends (--backend cpu,wasm), or two files on one backend (--against OTHER.onnx)');
  }
  const other = against === undefined ? file : { name: basename(against), model: await readInput(against) };
  return [
    { ...file, backend: first },
    { ...other, backend: second },
  ];
}

/** Bisects over the first images of a data set. */
export async function bisectOn(
  data: ImageSet,
  [a, b]: readonly [Side, Side],
  backendOptions: BisectOptions['backendOptions'],
  images = BISECT_IMAGES,
): Promise<Bisection> {
  for await (const { imagesNCHW, count } of data.batches(images))
    return await bisect(a, b, { imagesNCHW: new Uint8Array(imagesNCHW), count, backendOptions });
  throw new UsageError(`${data.name} has no images to bisect on`);
}

/** @throws ParityError that names the first layer beyond the tolerance */
export function requireAlike({ first }: Bisection): void {
  if (first) throw new ParityError(`the two part at ${first.layer} (${first.op})`);
}

export function describeBisection({ a, b, images, tolerance, layers, first }: Bisection): string {
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
