/**
 * Parameters by name, as PyTorch keeps them: in dictionaries of a checkpoint (any depth, among other values), in a
 * safetensors file or in a NumPy archive. Wrappers add prefixes to the names (`module.` of DataParallel,
 * `_orig_mod.` of torch.compile, `model.` and `net.` of training frameworks): the prefix is
 * everything before a name that every network of a dialect has.
 */
import { InputError } from '../../src/errors.ts';
import type { ElementName } from '../../src/formats/element-types.ts';
import { readNpy } from '../../src/formats/npy.ts';
import { describeValue, type PickleValue } from '../../src/formats/pickle.ts';
import { readSafetensorsValues, type SafetensorsFile } from '../../src/formats/safetensors.ts';
import { TorchTensor } from '../../src/formats/torch.ts';
import { isZip, readZip, zipNames } from '../../src/formats/zip.ts';

const FORMAT = 'pytorch';

export interface StateTensor {
  readonly type: ElementName;
  readonly shape: readonly number[];
  /** Row-major. */
  values(): Float64Array;
}

/** A dictionary of a file that may hold a network: tensors by name, and other values. */
export interface Dictionary {
  /** Keys that lead to it; empty for the outermost. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, StateTensor>;
  /** Names and descriptions of other values. */
  readonly others: ReadonlyMap<string, string>;
}

/** Dictionaries of a file, outermost first. */
export type StateDicts = readonly Dictionary[];

/** Checkpoints nest theirs two or three deep; optimizers hold one dictionary per parameter. */
const MAX_DEPTH = 4;

export function dictionariesOfCheckpoint(checkpoint: PickleValue): StateDicts {
  const found: Dictionary[] = [];
  const seen = new Set<PickleValue>();
  let level: [path: string, value: PickleValue][] = [['', checkpoint]];
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    const inner: typeof level = [];
    for (const [path, map] of level) {
      if (seen.has(map)) continue;
      seen.add(map);
      if (Array.isArray(map)) inner.push(...dictionariesIn(path, map));
      if (!(map instanceof Map)) continue;
      const tensors = new Map<string, StateTensor>();
      const others = new Map<string, string>();
      for (const [key, value] of map as Map<PickleValue, PickleValue>) {
        const name = String(typeof key === 'object' ? describeValue(key) : key);
        if (value instanceof TorchTensor) tensors.set(name, value);
        else {
          others.set(name, describeValue(value));
          inner.push([path === '' ? name : `${path}.${name}`, value]);
        }
      }
      found.push({ path, tensors, others });
    }
    level = inner;
  }
  return found;
}

/** Dictionaries of a list or tuple, such as (epoch, state_dict). */
function dictionariesIn(path: string, list: readonly PickleValue[]): [path: string, value: PickleValue][] {
  return list.flatMap((value, i) => (value instanceof Map || Array.isArray(value) ? [[`${path}[${i}]`, value]] : []));
}

export function dictionaryOfSafetensors(file: SafetensorsFile): StateDicts {
  return [{ path: '', tensors: readSafetensorsValues(file), others: new Map() }];
}

/** Describes a file without a network of a dialect: names of its tensors, or the class of a pickled module. */
export function describeDictionaries(file: StateDicts): string {
  const tensors = file.find((dictionary) => dictionary.tensors.size > 0)?.tensors;
  if (tensors) {
    const names = [...tensors.keys()];
    return `parameters with other names: ${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;
  }
  const module = [...(file[0]?.others ?? [])].find(([, what]) => what.includes('.'));
  if (!module) return 'no tensors';
  return `an object of ${module[1]} as ${module[0]}. Save only its parameters: torch.save(model.state_dict(), path)`;
}

/** Whether the bytes are an archive of NumPy arrays. */
export function isNpz(bytes: Uint8Array): boolean {
  return isZip(bytes) && zipNames(bytes).some((name) => name.endsWith('.npy'));
}

/**
 * The arrays of numpy.savez.
 * @throws InputError when the archive or an array is damaged
 */
export function readNpz(bytes: Uint8Array): StateDicts {
  const zip = readZip(bytes);
  const tensors = new Map<string, StateTensor>();
  const others = new Map<string, string>();
  for (const member of zip.names) {
    const name = member.replace(/\.npy$/, '');
    const array = name === member ? undefined : readNpy(zip.read(member) as Uint8Array);
    if (array) tensors.set(name, array);
    else others.set(name, 'not an array of numbers');
  }
  return [{ path: '', tensors, others }];
}

/** A network within a file: its parameters without the prefix. */
export interface Found {
  readonly tensors: ReadonlyMap<string, StateTensor>;
  /** Parameters found without the prefix: they may belong to something else. */
  readonly outside: ReadonlySet<string>;
  /** Values beside the network that are skipped. */
  readonly notes: readonly string[];
}

/** A dictionary, and the prefix of one network's names in it. */
interface Place {
  readonly dictionary: Dictionary;
  readonly prefix: string;
}

/**
 * Places of the networks in a file that have a parameter of this name.
 * @param anchor name of a parameter that every network of the dialect has
 */
function places(file: StateDicts, anchor: string): Place[] {
  return file.flatMap((dictionary) =>
    [...dictionary.tensors.keys()].flatMap((name) => {
      const prefix = name.slice(0, -anchor.length);
      return name.endsWith(anchor) && /(^|[./])$/.test(prefix) ? [{ dictionary, prefix }] : [];
    }),
  );
}

export function holdsNetwork(file: StateDicts, anchor: string): boolean {
  return places(file, anchor).length > 0;
}

/** Prefixes of wrappers, which may be missing on some names. */
const WRAPPERS = /^((module|_orig_mod|model|net|network)[./])+/;
const placeName = ({ dictionary, prefix }: Place) => [dictionary.path, prefix].filter(Boolean).join(' ') || 'the outermost dictionary';

/**
 * The first network of a file.
 * @param anchor name of a parameter that every network of the dialect has
 * @throws InputError when there is none, or a parameter occurs twice
 */
export function findNetwork(file: StateDicts, anchor: string): Found {
  const [first, ...more] = places(file, anchor);
  if (!first) throw new InputError(FORMAT, 'checkpoint', `expected a state dict with ${anchor}, got none`);
  const { dictionary, prefix } = first;
  const elsewhere = more.filter((place) => place.dictionary === dictionary && place.prefix !== '').map((place) => place.prefix);
  const tensors = new Map<string, StateTensor>();
  const outside = new Set<string>();
  for (const [key, tensor] of dictionary.tensors) {
    if (elsewhere.some((other) => key.startsWith(other) && !prefix.startsWith(other))) continue;
    const inside = key.startsWith(prefix);
    const name = inside ? key.slice(prefix.length) : key.replace(WRAPPERS, '');
    if (tensors.has(name)) throw new InputError(FORMAT, `parameter ${name}`, 'expected it once, got it twice');
    tensors.set(name, tensor);
    if (!inside) outside.add(name);
  }
  for (const [key, what] of dictionary.others)
    if (prefix !== '' && key.startsWith(prefix)) throw new InputError(FORMAT, `parameter ${key}`, `expected a tensor, got ${what}`);
  const others = more.map(placeName).join(', ');
  const notes = more.length > 0 ? [`the file holds ${more.length + 1} networks: read ${placeName(first)}, skipped ${others}`] : [];
  return { tensors, outside, notes };
}
