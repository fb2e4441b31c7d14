/** The classes of ImageNet's validation images, from the files that the development kit, Kaggle and others put beside them. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { InputError } from '../../errors.ts';
import { readMat5 } from '../../formats/mat5.ts';
import { inFile } from '../files/file-error.ts';
import type { DataSource } from '../files/source.ts';

const FORMAT = 'ImageNet';
/** Twenty times the largest of these files. */
const MAX_LABEL_BYTES = 2 ** 26;

/** Classes of the validation images from a file. */
export interface Labels {
  readonly path: string;
  readonly classes: Iterable<string>;
  /** @param number of the image, from 1 */
  classOf(number: number, name: string): string | undefined;
}

/** Folders that hold the label files, seen from the images or a folder above them. */
const LABEL_FOLDERS = ['', 'data', 'devkit/data', 'ILSVRC2012_devkit_t12/data'];
/** `val` is four folders deep in the archive of Kaggle's competition: ILSVRC/Data/CLS-LOC/val. */
const LEVELS_UP = 5;

const KAGGLE = 'LOC_val_solution.csv';
const GROUND_TRUTH = /^ILSVRC20\d\d_(clsloc_)?validation_ground_truth\.txt$/;
const SYNSETS_OF_IMAGES = 'imagenet_2012_validation_synset_labels.txt';
const [META, MAP] = ['meta.mat', 'map_clsloc.txt'];

/**
 * Looks for a file with the labels: beside the images first, then in the folders above.
 * @throws InputError when there is none, or it is damaged
 */
export async function findLabels({ path, isArchive }: DataSource): Promise<Labels> {
  let numbersOnly: string | undefined;
  let folder = resolve(isArchive ? dirname(path) : path);
  for (let level = 0; level < LEVELS_UP; level++, folder = dirname(folder)) {
    for (const inner of LABEL_FOLDERS) {
      const place = join(folder, inner);
      const names = await readdir(place).catch((): string[] => []);
      if (names.includes(KAGGLE)) return kaggleLabels(join(place, KAGGLE));
      if (names.includes(SYNSETS_OF_IMAGES)) return linesOfIds(join(place, SYNSETS_OF_IMAGES));
      const truth = names.find((name) => GROUND_TRUTH.test(name));
      if (truth === undefined) continue;
      const ids = names.includes(META)
        ? await idsOfMeta(join(place, META))
        : names.includes(MAP)
          ? await idsOfMap(join(place, MAP))
          : undefined;
      if (ids) return numberedLabels(join(place, truth), ids);
      numbersOnly ??= join(place, truth);
    }
  }
  if (numbersOnly !== undefined)
    throw new InputError(
      FORMAT,
      numbersOnly,
      `expected ${META} or ${MAP} of the development kit beside it, which say what class each number means, got neither`,
    );
  throw new InputError(
    FORMAT,
    path,
    `expected the classes of the images: WordNet ids in their names, or ${KAGGLE}, ${SYNSETS_OF_IMAGES}, or ILSVRC2012_validation_ground_truth.txt with ${META}, beside them or in a folder above, got none`,
  );
}

async function bytesOf(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > MAX_LABEL_BYTES) throw new InputError(FORMAT, path, `expected at most ${MAX_LABEL_BYTES} bytes, got ${size}`);
  return readFile(path);
}

async function linesOf(path: string): Promise<string[]> {
  return (await bytesOf(path)).toString('latin1').trimEnd().split(/\r?\n/);
}

/** Rows `ImageId,PredictionString`, where a prediction is an id and a box, repeated for each object. */
async function kaggleLabels(path: string): Promise<Labels> {
  const ids = new Map<string, string>();
  for (const [i, line] of (await linesOf(path)).entries()) {
    const [, name, id, rest = ''] = /^"?([\w-]+)"?,"?(n\d{8})([^,]*)$/.exec(line) ?? [];
    if (name === undefined || id === undefined) {
      if (i === 0) continue; // the header
      throw new InputError(FORMAT, `${path} line ${i + 1}`, `expected an image and its class, got ${JSON.stringify(line.slice(0, 40))}`);
    }
    const another = rest.match(/n\d{8}/g)?.find((other) => other !== id);
    if (another !== undefined) throw new InputError(FORMAT, `${path} line ${i + 1}`, `expected one class, got ${id} and ${another}`);
    ids.set(name, id);
  }
  return { path, classes: ids.values(), classOf: (_, name) => ids.get(name) };
}

/** A line with its class for each image, in order of their numbers. */
async function linesOfIds(path: string): Promise<Labels> {
  const ids = (await linesOf(path)).map((line, i) => {
    if (/^n\d{8}$/.test(line.trim())) return line.trim();
    throw new InputError(FORMAT, `${path} line ${i + 1}`, `expected a WordNet id, got ${JSON.stringify(line.slice(0, 40))}`);
  });
  return { path, classes: ids, classOf: (number) => ids[number - 1] };
}

/** A line with the number of its class for each image. The numbers are those of the development kit, in another order than the ids. */
async function numberedLabels(path: string, idOf: ReadonlyMap<number, string>): Promise<Labels> {
  const ids = (await linesOf(path)).map((line, i) => {
    const id = idOf.get(Number(line));
    if (id !== undefined) return id;
    throw new InputError(FORMAT, `${path} line ${i + 1}`, `expected the number of a class, got ${JSON.stringify(line.slice(0, 40))}`);
  });
  return { path, classes: idOf.values(), classOf: (number) => ids[number - 1] };
}

/** Classes by number in map_clsloc.txt: lines `n02119789 1 kit_fox`. */
async function idsOfMap(path: string): Promise<Map<number, string>> {
  const entries = (await linesOf(path)).map((line, i): [number, string] => {
    const [, id, number] = /^(n\d{8}) (\d+)( |$)/.exec(line) ?? [];
    if (id !== undefined) return [Number(number), id];
    throw new InputError(FORMAT, `${path} line ${i + 1}`, `expected an id and a number, got ${JSON.stringify(line.slice(0, 40))}`);
  });
  return new Map(entries);
}

/** Classes by number in meta.mat: the struct array `synsets`. Those with children are groups of classes. */
async function idsOfMeta(path: string): Promise<Map<number, string>> {
  try {
    const synsets = readMat5(await bytesOf(path)).get('synsets');
    const fields = synsets?.kind === 'struct' ? synsets.fields : undefined;
    const [numbers, ids, children] = ['ILSVRC2012_ID', 'WNID', 'num_children'].map((name) => fields?.get(name));
    if (!numbers || !ids || !children)
      throw new InputError(FORMAT, 'synsets', 'expected a struct array with ILSVRC2012_ID, WNID and num_children, got another variable');
    return new Map(
      numbers.flatMap((number, i): [number, string][] => {
        const [id, inner] = [ids[i], children[i]];
        if (number.kind !== 'numeric' || id?.kind !== 'char' || inner?.kind !== 'numeric')
          throw new InputError(FORMAT, `synsets(${i + 1})`, 'expected a number, an id and a number of children, got others');
        return inner.data[0] === 0 ? [[number.data[0] as number, id.text]] : [];
      }),
    );
  } catch (error) {
    throw inFile(path, error);
  }
}
