/** HDF5 files, written by the HDF Group's library, and files that hold them: whole Keras models, MATLAB 7.3. */
import * as library from 'h5wasm';
import { zipFile } from './zip-file.ts';

/** An array of numbers or texts, or references to the objects at these paths. */
export interface HdfArrayToWrite {
  readonly data: Float32Array | Float64Array | Uint8Array | Uint16Array | Int32Array | BigUint64Array | readonly string[];
  readonly shape: readonly number[];
  readonly references?: boolean;
  readonly attributes?: Attributes;
}
export interface HdfGroupToWrite {
  readonly members: Readonly<Record<string, HdfGroupToWrite | HdfArrayToWrite>>;
  readonly attributes?: Attributes;
  /** Further names of members, with the paths of these. */
  readonly links?: Readonly<Record<string, string>>;
}
type Attributes = Readonly<Record<string, string | readonly string[] | Uint8Array>>;

let count = 0;

/** The bytes of a file. Members are written in their order, so references name members before them. */
export async function hdf5File(root: HdfGroupToWrite): Promise<Uint8Array> {
  const { FS } = await library.ready;
  const name = `/written-${count++}.h5`;
  const file = new library.File(name, 'w');
  const describe = (object: library.Group | library.Dataset, attributes: Attributes = {}) => {
    for (const [key, value] of Object.entries(attributes)) object.create_attribute(key, value as string);
  };
  const write = (group: library.Group, { members, attributes, links = {} }: HdfGroupToWrite) => {
    describe(group, attributes);
    for (const [key, node] of Object.entries(members)) {
      if ('members' in node) {
        write(group.create_group(key), node);
        continue;
      }
      const { data, shape, references } = node;
      const stored = references ? (data as readonly string[]).map((path) => (file.get(path) as library.Dataset).create_reference()) : data;
      describe(group.create_dataset({ name: key, data: stored as library.GuessableDataTypes, shape: [...shape] }), node.attributes);
    }
    for (const [key, path] of Object.entries(links)) group.create_hard_link(path, key);
  };
  write(file, root);
  file.flush();
  file.close();
  const bytes = FS?.readFile(name) as Uint8Array;
  FS?.unlink(name);
  return bytes;
}

/** The same behind MATLAB's header, as its save -v7.3 writes it. */
export async function mat73File(members: HdfGroupToWrite['members']): Promise<Uint8Array> {
  const header = Buffer.alloc(512);
  header.write('MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Fri Nov 27 12:00:00 2026 HDF5 schema 1.00 .'.padEnd(116));
  header.writeUInt16LE(0x0200, 124);
  header.write('IM', 126);
  return Buffer.concat([header, await hdf5File({ members })]);
}

/** A Keras network: latent or float kernels, batch norms and the names of their layers, as Keras stores them without a configuration. */
export interface KerasLayers {
  readonly [name: string]: readonly { readonly shape: readonly number[]; readonly data: Float32Array }[];
}

/** `save_weights` of Keras 2. */
export function legacyWeights(layers: KerasLayers): Promise<Uint8Array> {
  const members = Object.entries(layers).map(([name, weights]): [string, HdfGroupToWrite] => [
    name,
    {
      attributes: { weight_names: weights.map((_, i) => `w${i}`) },
      members: Object.fromEntries(weights.map((weight, i) => [`w${i}`, weight])),
    },
  ]);
  return hdf5File({ attributes: { layer_names: Object.keys(layers) }, members: Object.fromEntries(members) });
}

/** `save_weights` of Keras 3. */
export function keras3Weights(layers: KerasLayers): Promise<Uint8Array> {
  const members = Object.entries(layers).map(([name, weights]): [string, HdfGroupToWrite] => [
    name,
    { members: { vars: { members: Object.fromEntries(weights.map((weight, i) => [String(i), weight])) } } },
  ]);
  return hdf5File({ members: { layers: { members: Object.fromEntries(members) } } });
}

/** `save` of Keras 3 to an archive. */
export async function kerasArchive(config: unknown, layers: KerasLayers): Promise<Uint8Array> {
  const text = (value: unknown) => Buffer.from(JSON.stringify(value));
  return zipFile([
    { name: 'metadata.json', data: text({ keras_version: '3.15.1' }) },
    { name: 'config.json', data: text(config) },
    { name: 'model.weights.h5', data: Buffer.from(await keras3Weights(layers)) },
  ]);
}
