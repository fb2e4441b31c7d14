/** `eval --bisect`. */
import type { BackendOptions } from '../../../eval/backends/backend.ts';
import { type BackendName, backendOf } from '../../../eval/backends/table.ts';
import { type Bisection, type BisectOptions, bisectDecoded, type DecodedSide } from '../../../eval/verify/bisect.ts';
import type { ImageSet } from '../../data/dataset.ts';
import { openImageSet } from '../../data/open.ts';
import { ParityError, UsageError } from '../../errors.ts';
import { significant } from '../../numbers.ts';
import { printable } from '../../printable.ts';
import { version } from '../../version.ts';
import { workingBackends } from '../shared/choose-backends.ts';
import { printJson, printText } from '../shared/results.ts';
import { runRecord } from '../shared/run-record.ts';
import { type Network, readNetwork } from '../shared/source.ts';
import { drawTable } from '../shared/table.ts';

export interface BisectFlags extends Pick<BackendOptions, 'threads' | 'browser' | 'softwareGpu'> {
  readonly data: string;
  readonly backend: string;
  readonly reference?: BackendName;
  readonly against?: string;
  readonly limit?: number;
  readonly shorterSide?: readonly number[];
  readonly wide?: boolean;
  readonly format: 'human' | 'json';
}

/** Images for --bisect without --limit; few, because the outputs of every layer are held in memory. */
export const BISECT_IMAGES = 2;

export async function runBisect(file: Network, flags: BisectFlags): Promise<void> {
  const { input, classes } = file.model;
  const { threads, browser, softwareGpu } = flags;
  const backendOptions = { threads, browser, softwareGpu };
  const names = await workingBackends(flags, { ...backendOptions, batch: 1, source: file.source }, [file.model.bytes]);
  const sides = await chooseSides(file, names, flags.against);
  const data = await openImageSet(flags.data, {
    split: 'test',
    shape: input,
    classes,
    shorterSides: flags.shorterSide,
  });
  try {
    const bisection = await bisectOn(data, sides, backendOptions, flags.limit);
    if (flags.format === 'json') printJson({ ...bisection, version, ...runRecord() });
    else printText(describeBisection(bisection, flags));
    requireAlike(bisection);
  } finally {
    await data.close();
  }
}

/**
 * A file on two backends, or two files on one.
 * @throws UsageError for any other number of sides, or a backend that runs no ONNX files
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
  const blind = names.find((backend) => backendOf(backend).runsSource);
  if (blind) throw new UsageError(`--bisect compares the layers of ONNX files, but ${blind} gives only logits. Choose another backend`);
  const other = against === undefined ? { name, model } : await readNetwork(against);
  return [
    { name, model, backend: first },
    { name: other.name, model: other.model, backend: second },
  ];
}

/** Bisects on the first images of a data set, in one batch that both files accept. */
export async function bisectOn(
  data: ImageSet,
  [a, b]: readonly [DecodedSide, DecodedSide],
  backendOptions: BisectOptions['backendOptions'],
  images = BISECT_IMAGES,
): Promise<Bisection> {
  const most = Math.min(images, ...[a, b].map(({ model }) => model.input.fixedBatch ?? images));
  for await (const { imagesNCHW, count } of data.batches(most))
    return await bisectDecoded(a, b, { imagesNCHW: new Uint8Array(imagesNCHW), count, backendOptions });
  throw new UsageError(`${data.name}: expected images to bisect on, got none`);
}

/** @throws ParityError that names the first layer beyond the tolerance */
export function requireAlike({ first }: Bisection): void {
  if (first) throw new ParityError(`first difference at ${first.layer} (${first.op})`);
}

export interface BisectionWidth {
  /** Show every layer, not only those around the first difference. */
  readonly wide?: boolean | undefined;
}

/** Layers that are shown before and after the first difference. */
const AROUND = 5;

export function describeBisection(bisection: Bisection, { wide = false }: BisectionWidth = {}): string {
  const { a, b, images, tolerance, layers, first } = bisection;
  const [from, to] = wide ? [0, layers.length] : around(bisection);
  const number = (value: number | null) => (value === null ? '-' : significant(value));
  const rows = layers
    .slice(from, to)
    .map((row) => [
      row.layer,
      row.op,
      row.problem ?? number(row.relError),
      number(row.maxAbsDiff),
      row === first ? '<- first beyond the tolerance' : '',
    ]);
  const hidden = layers.length - (to - from);
  return [
    `A: ${printable(a)}`,
    `B: ${printable(b)}`,
    `${images === 1 ? 'one image' : `${images} images`}, tolerance ${tolerance}`,
    drawTable(['layer', 'op', 'rel. error', 'max diff', ''], rows, { lines: 'none' }),
    ...(hidden > 0 ? [`${from} layers before and ${layers.length - to} after these are hidden. Use --wide to show all.`] : []),
    first ? `First difference: ${printable(first.layer)} (${printable(first.op)}).` : 'No layer differs.',
    '',
  ].join('\n');
}

/** The layers around the first difference, or around the largest error when none exceeds the tolerance. */
function around({ layers, first }: Bisection): [from: number, to: number] {
  const largest = layers.reduce((most, row, i) => ((row.relError ?? 0) > (layers[most]?.relError ?? 0) ? i : most), 0);
  const centre = first ? layers.indexOf(first) : largest;
  return [Math.max(0, centre - AROUND), Math.min(layers.length, centre + AROUND + 1)];
}
