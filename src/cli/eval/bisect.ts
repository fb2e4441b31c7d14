/** `eval --bisect`. */
import Table from 'cli-table3';
import type { Backend, BackendOptions } from '../../../eval/backends/backend.ts';
import { type BackendName, backends } from '../../../eval/backends/table.ts';
import { type Bisection, type BisectOptions, bisectDecoded, type DecodedSide } from '../../../eval/verify/bisect.ts';
import type { ImageSet } from '../../data/dataset.ts';
import { openImageSet } from '../../data/open.ts';
import { ParityError, printable, UsageError } from '../../errors.ts';
import { workingBackends } from '../shared/choose-backends.ts';
import { printJson, printText } from '../shared/results.ts';
import { type Network, readNetwork } from '../shared/source.ts';

export interface BisectFlags extends Pick<BackendOptions, 'threads' | 'browser' | 'softwareGpu'> {
  readonly data: string;
  readonly backend: string;
  readonly reference?: BackendName;
  readonly against?: string;
  readonly limit?: number;
  readonly shorterSide?: readonly number[];
  readonly format: 'human' | 'json';
}

/** Images that --bisect runs when no --limit is given: the outputs of every layer are in memory. */
export const BISECT_IMAGES = 2;

export async function runBisect(file: Network, flags: BisectFlags): Promise<void> {
  const { input, classes } = file.model;
  const { threads, browser, softwareGpu } = flags;
  const backendOptions = { threads, browser, softwareGpu };
  const names = await workingBackends(flags, { ...backendOptions, batch: 1, source: file.source });
  const sides = await chooseSides(file, names, flags.against);
  const data = await openImageSet(flags.data, {
    split: 'test',
    shape: input,
    classes,
    shorterSides: flags.shorterSide,
  });
  try {
    const bisection = await bisectOn(data, sides, backendOptions, flags.limit);
    if (flags.format === 'json') printJson(bisection);
    else printText(describeBisection(bisection));
    requireAlike(bisection);
  } finally {
    await data.close();
  }
}

/**
 * A file on two backends, or two files on one.
 * @throws UsageError when there are more or fewer, or a backend runs no ONNX file
 */
export async function chooseSides(
  { name, model }: Network,
  names: readonly BackendName[],
  against: string | undefined,
): Promise<[DecodedSide, DecodedSide]> {
  const [first, second = first] = names;
  if (!first || !second || names.length !== (against === undefined ? 2 : 1)) {
    throw new UsageError('--bisect compares two backends (--backend cpu,wasm), or two files on one backend (--against OTHER.onnx)');
  }
  const blind = names.find((backend) => (backends[backend] as Backend).runsSource);
  if (blind) throw new UsageError(`--bisect compares the layers of ONNX files, ${blind} shows the logits alone`);
  const other = against === undefined ? { name, model } : await readNetwork(against);
  return [
    { name, model, backend: first },
    { name: other.name, model: other.model, backend: second },
  ];
}

/** Bisects over the first images of a data set, as many as both files take at once. */
export async function bisectOn(
  data: ImageSet,
  [a, b]: readonly [DecodedSide, DecodedSide],
  backendOptions: BisectOptions['backendOptions'],
  images = BISECT_IMAGES,
): Promise<Bisection> {
  const most = Math.min(images, ...[a, b].map(({ model }) => model.input.fixedBatch ?? images));
  for await (const { imagesNCHW, count } of data.batches(most))
    return await bisectDecoded(a, b, { imagesNCHW: new Uint8Array(imagesNCHW), count, backendOptions });
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
  const number = (value: number | null) => value?.toExponential(1) ?? '-';
  for (const row of layers)
    table.push([
      row.layer,
      row.op,
      row.problem ?? number(row.relError),
      number(row.maxAbsDiff),
      row === first ? '<- first beyond the tolerance' : '',
    ]);
  const verdict = first ? `They part at ${printable(first.layer)} (${printable(first.op)}).` : 'No layer differs.';
  return `A: ${printable(a)}\nB: ${printable(b)}\n${images === 1 ? 'one image' : `${images} images`}, tolerance ${tolerance}\n${table.toString()}\n${verdict}\n`;
}
