/** What is fuzzed: every reader, one row each, with files that it accepts. A new reader is a new row. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { inspect } from '../../converters/inspect/inspect.ts';
import { packOnnx } from '../../converters/onnx/pack/pack.ts';
import { unpackOnnx } from '../../converters/onnx/pack/unpack.ts';
import { readOnnxModel } from '../../converters/onnx/read.ts';
import { toOnnx, toOnnxProto } from '../../converters/onnx/write.ts';
import { prepareToRead, readModel } from '../../converters/read.ts';
import { readKerasGraph } from '../../converters/sources/keras-graph.ts';
import { mergeParts, readPart } from '../../eval/merge.ts';
import { readClassifier } from '../../eval/runtime/model-input.ts';
import { encodeModel } from '../../proto/onnx.ts';
import { decodeImage } from '../../src/data/files/decode-image.ts';
import { decompressed } from '../../src/data/files/decompress.ts';
import { readTar } from '../../src/data/files/tar.ts';
import { openImageSet } from '../../src/data/open.ts';
import { Cursor } from '../../src/formats/cursor.ts';
import { readNpy, writeNpy } from '../../src/formats/npy.ts';
import { readPickle } from '../../src/formats/pickle.ts';
import { readSafetensors } from '../../src/formats/safetensors.ts';
import { readTorch } from '../../src/formats/torch.ts';
import { readZip } from '../../src/formats/zip.ts';
import { defaultConfig } from '../../src/network/config.ts';
import type { Model } from '../../src/network/model.ts';
import { readModelFile, writeModelFile } from '../../src/network/model-file.ts';
import { learned } from '../../src/train/network/variables.ts';
import { paperRecipe } from '../../src/train/recipe.ts';
import { readCheckpoint, writeCheckpoint } from '../../src/train/run/checkpoint.ts';
import { readLog } from '../../src/train/run/log.ts';
import { version } from '../../src/version.ts';
import { kerasLayers, kerasVariables, mat73Members, matlabVariables, torchState } from '../converters/foreign-files.ts';
import { cifarPickle, cifarRecords, idxImages, idxLabels, noise, readAll, tar } from '../data/crafted.ts';
import { type KerasLayers, keras3Weights, kerasArchive, legacyWeights, mat73File } from '../formats/hdf5-file.ts';
import { matFile } from '../formats/mat5-file.ts';
import { type Tensor as TorchTensor, torchLegacy, torchZip } from '../formats/torch-file.ts';
import { zipFile } from '../formats/zip-file.ts';
import { randomModel, variants } from '../network/random-model.ts';

export interface Target {
  /** Files that the reader accepts. */
  readonly seeds: () => Promise<readonly Uint8Array[]> | readonly Uint8Array[];
  /** Reads a file to its end. `folder` is for those that are read from a disk. */
  readonly read: (bytes: Uint8Array, folder: string) => unknown;
  /** Puts a damaged inside into an undamaged outside, whose checksum would else refuse it at once. */
  readonly wrap?: (bytes: Uint8Array) => Uint8Array;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const at = (path: string) => readFileSync(join(root, path));

const shape = { channels: 3, height: 32, width: 32 };
const tiny = (variant = 'keras') => randomModel({ ...variants[variant], input: shape, width: 1 / 16, classes: 3 });
const onnx = (form: 'packed' | 'inline' | 'dense' | 'qonnx') => toOnnx(tiny(), { form, input: 'nchw-float' });

async function source(bytes: Uint8Array): Promise<void> {
  await prepareToRead(bytes);
  readModel(bytes);
  inspect(bytes);
}

/** A file of a data set, read through all its images. */
async function images(path: string): Promise<void> {
  await readAll(await openImageSet(path, { split: 'test' }));
}

/** Writes the file beside what belongs to it, as a new file: to write over an old one takes fifty times as long on some file systems. */
function put(folder: string, files: Readonly<Record<string, Uint8Array>>): (name: string) => string {
  for (const [name, bytes] of Object.entries(files)) {
    rmSync(join(folder, name), { force: true });
    writeFileSync(join(folder, name), bytes);
  }
  return (name) => join(folder, name);
}

async function drain(content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of content);
}

/** Python: `lzma.compress(b'one-bit weights ' * 64)`. */
const XZ = '/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AP/ABxdADebiM9ZS4/nAZfLrZ86nWZ+SHo4OqiqnOQpIAAAZMQoLua0G3kAATiACAAAAGDJLl+xxGf7AgAAAAAEWVo=';

const config = { ...defaultConfig, depth: 8, width: 1 / 16, classes: 3, input: shape };

function checkpoint(): Uint8Array {
  const weights = learned(config).map(({ shape }, i) =>
    Float32Array.from(
      noise(
        shape.reduce((a, b) => a * b, 1),
        i,
      ),
      (v) => v / 255 - 0.5,
    ),
  );
  return writeCheckpoint({
    config,
    recipe: paperRecipe,
    progress: { step: 3, epochLoss: 1.5, epochErrors: 7 },
    weights,
    momenta: weights,
    moments: undefined,
  });
}

const report = () => {
  const { parity } = JSON.parse(at('models/fashion-mnist-wrn-20-1/report.json').toString());
  return Buffer.from(JSON.stringify({ ...parity, version }));
};

/** A model around damaged metadata, made once. */
let onnxProto: ReturnType<typeof toOnnxProto> | undefined;

const image = sharp(noise(20 * 16 * 3, 1), { raw: { width: 20, height: 16, channels: 3 } });
const pickles = (value: Parameters<typeof torchLegacy>[0]) => torchLegacy(value);

export const targets: Readonly<Record<string, Target>> = {
  'Keras .mat': { seeds: () => [true, false].map((compressed) => matFile(kerasVariables(tiny()), { compressed })), read: source },
  'MATLAB .mat': { seeds: () => ['matlab', 'matlab plain'].map((name) => matFile(matlabVariables(tiny(name)))), read: source },
  'Keras model': {
    seeds: async () => [await kerasArchive(kerasConfig(layersOf()), layersOf())],
    read: source,
  },
  'Keras weights': { seeds: async () => [await legacyWeights(layersOf()), await keras3Weights(layersOf())], read: source },
  // without the checksums and the deflate of the archive, which would stop most damage
  'Keras model, inside': {
    seeds: async () => [await keras3Weights(layersOf())],
    wrap: (bytes) =>
      zipFile([
        { name: 'config.json', data: kerasJson() },
        { name: 'model.weights.h5', data: bytes },
      ]),
    read: source,
  },
  'Keras configuration': {
    seeds: () => [kerasJson()],
    read: (bytes) => readKerasGraph(json(bytes)),
  },
  'MATLAB 7.3': { seeds: async () => [await mat73File(mat73Members(matlabVariables(tiny('matlab'))))], read: source },
  'NumPy archive': { seeds: () => [npz(torchArrays(tiny('pytorch')))], read: source },
  'Keras HDF5': { seeds: () => [at('test/converters/sources/fixtures/keras-2.15-weights.h5')], read: source },
  'PyTorch, archive': { seeds: () => [torchZip(torchState(tiny('pytorch'), { packed: true }))], read: source },
  'PyTorch, stream': {
    seeds: () => [
      pickles(torchState(tiny('pytorch'), { packed: true })),
      pickles(new Map([['state_dict', torchState(tiny('pytorch'), { packed: false })]])),
    ],
    read: source,
  },
  'torch files': {
    seeds: () =>
      readdirSync(join(root, 'test/formats/fixtures'))
        .filter((name) => /^torch.*pt$/.test(name))
        .map((name) => at(`test/formats/fixtures/${name}`)),
    read: (bytes) => readTorch(bytes),
  },
  pickle: {
    seeds: () => [
      Buffer.from('\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00b]q\x01(K\x02G?\xf0\x00\x00\x00\x00\x00\x00eu.', 'latin1'),
    ],
    read: (bytes) => readPickle(new Cursor(bytes, 'pickle'), { globals: new Map(), persistent: () => null }),
  },
  safetensors: { seeds: () => [writeModelFile(tiny())], read: (bytes) => readSafetensors(bytes) },
  'model file': { seeds: () => Object.keys(variants).map((name) => writeModelFile(tiny(name))), read: (bytes) => readModelFile(bytes) },
  checkpoint: { seeds: () => [checkpoint()], read: (bytes) => readCheckpoint(bytes) },
  'training log': {
    seeds: () => [at('models/fashion-mnist-wrn-20-1/log.jsonl')],
    read: (bytes) => readLog(Buffer.from(bytes).toString(), 'log'),
  },
  'report or part': { seeds: () => [report()], read: (bytes) => mergeParts([readPart(bytes, 'part.json')]) },
  npy: {
    seeds: () => [Buffer.concat([...writeNpy([3, 4], [new Uint8Array(new Float32Array(12).buffer)])])],
    read: (bytes) => readNpy(bytes),
  },
  zip: {
    seeds: () =>
      [true, false].map((zip64) =>
        zipFile(
          [
            { name: 'a', data: noise(99, 1), deflated: true },
            { name: 'b/c', data: noise(9, 2) },
          ],
          { zip64 },
        ),
      ),
    read: (bytes) => {
      const archive = readZip(bytes);
      for (const name of archive.names) archive.read(name);
    },
  },
  'ONNX, inspected': { seeds: () => [onnx('packed'), onnx('qonnx')], read: (bytes) => inspect(bytes) },
  'ONNX, as a model': { seeds: () => [onnx('packed'), onnx('inline')], read: (bytes) => readOnnxModel(bytes) },
  'ONNX, as a classifier': { seeds: () => [onnx('packed'), onnx('dense')], read: (bytes) => readClassifier(bytes) },
  'ONNX, packed': { seeds: () => [onnx('dense'), onnx('qonnx')], read: (bytes) => packOnnx(bytes) },
  'ONNX, unpacked': { seeds: () => [onnx('packed'), onnx('inline')], read: (bytes) => unpackOnnx(bytes) },
  'ONNX metadata': {
    seeds: () => [Buffer.from(JSON.stringify(toOnnxProto(tiny()).metadata_props))],
    wrap: (bytes) => {
      onnxProto ??= toOnnxProto(tiny());
      return encodeModel({ ...onnxProto, metadata_props: texts(bytes) });
    },
    read: (bytes) => readClassifier(bytes),
  },
  gzip: { seeds: () => [gzipSync(noise(999, 1))], read: (bytes, folder) => drain(decompressed(put(folder, { 'a.gz': bytes })('a.gz'))) },
  xz: { seeds: () => [Buffer.from(XZ, 'base64')], read: (bytes, folder) => drain(decompressed(put(folder, { 'a.xz': bytes })('a.xz'))) },
  tar: {
    seeds: async () => [
      await tar([
        ['a/b', noise(999, 1)],
        ['c', noise(9, 2)],
      ]),
    ],
    read: (bytes, folder) => readTar(put(folder, { 'a.tar': bytes })('a.tar'), async (_name, content) => drain(content)),
  },
  'tar in gzip': {
    seeds: async () => [await tar([['x/test_batch.bin', cifarRecords([[4], [2]], 1)]])],
    wrap: (bytes) => gzipSync(bytes),
    read: (bytes, folder) => images(put(folder, { 'a.tar.gz': bytes })('a.tar.gz')),
  },
  'CIFAR archive': {
    seeds: async () => [await tar([['x/test_batch.bin', cifarRecords([[4], [2]], 1)]])],
    read: (bytes, folder) => images(put(folder, { 'a.tar': bytes })('a.tar')),
  },
  'idx images': {
    seeds: () => [idxImages(3, 5, 5)],
    read: (bytes, folder) =>
      images(put(folder, { 'images-idx3-ubyte': bytes, 'labels-idx1-ubyte': idxLabels([1, 2, 3]) })('images-idx3-ubyte')),
  },
  'idx labels': {
    seeds: () => [idxLabels([1, 2, 3])],
    read: (bytes, folder) =>
      images(put(folder, { 'images-idx3-ubyte': idxImages(3, 5, 5), 'labels-idx1-ubyte': bytes })('images-idx3-ubyte')),
  },
  'image files': {
    seeds: async () => [await image.clone().png().toBuffer(), await image.clone().jpeg().toBuffer(), await image.clone().webp().toBuffer()],
    read: (bytes) => decodeImage(bytes, { channels: 3, height: 8, width: 8 }, 'image'),
  },
  SVHN: {
    seeds: () => [at('test/data/fixtures/svhn/test_32x32.mat')],
    read: (bytes, folder) => images(put(folder, { 'train_32x32.mat': bytes, 'test_32x32.mat': bytes })('')),
  },
  'CIFAR pickle': {
    seeds: () => [cifarPickle([7, 0, 9], noise(3 * 3072, 1))],
    read: (bytes, folder) => images(put(folder, { test_batch: bytes })('')),
  },
  parquet: {
    seeds: () => [at('test/data/fixtures/two-images.parquet')],
    read: (bytes, folder) => images(put(folder, { 'test-00000-of-00001.parquet': bytes })('')),
  },
  'Keras mnist.npz': {
    seeds: () => [
      npz({
        x_test: ['|u1', [2, 28, 28], noise(2 * 28 * 28, 1)],
        y_test: ['|u1', [2], Uint8Array.of(3, 8)],
      }),
    ],
    read: (bytes, folder) => images(put(folder, { 'mnist.npz': bytes })('')),
  },
  "ImageNet's labels": {
    seeds: () => [Buffer.from(`ImageId,PredictionString\n${IMAGENET},n01440764 1 2 3 4 \n`)],
    read: async (bytes, folder) => {
      jpeg ??= await image.clone().jpeg().toBuffer();
      put(folder, { [`${IMAGENET}.JPEG`]: jpeg, 'LOC_val_solution.csv': bytes });
      await readAll(await openImageSet(folder, { split: 'test', shape: { channels: 3, height: 4, width: 4 } }));
    },
  },
  ImageNet32: {
    seeds: () => [at('test/data/fixtures/imagenet32/val_data.npz')],
    read: (bytes, folder) => images(put(folder, { 'val_data.npz': bytes })('')),
  },
};

let jpeg: Buffer | undefined;
const IMAGENET = 'ILSVRC2012_val_00000001';

/** Layers of a Keras network of 1 bit, whose weights are the signs of floats. */
function layersOf() {
  return kerasLayers(randomModel({ affine: 'first', input: shape, width: 1 / 16, classes: 3 }), 'binary_conv2d');
}

/** The configuration of a whole model with these layers. */
function kerasConfig(layers: KerasLayers): unknown {
  const layer = (class_name: string, config: object) => ({ class_name, config });
  const conv = { padding: 'same', use_bias: false, activation: 'linear', strides: [1, 1] };
  return {
    class_name: 'Functional',
    config: {
      layers: [
        layer('InputLayer', { name: 'input', batch_shape: [null, 32, 32, 3] }),
        ...Object.keys(layers).map((name) =>
          name.includes('conv') ? layer('BinaryConv2D', { name, ...conv }) : layer('BatchNormalization', { name, epsilon: 1e-5 }),
        ),
      ],
    },
  };
}

let kerasText: Buffer | undefined;
/** The same as JSON, made once. */
function kerasJson(): Buffer {
  kerasText ??= Buffer.from(JSON.stringify(kerasConfig(layersOf())));
  return kerasText;
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}

type Arrays = Readonly<Record<string, readonly [descr: string, shape: readonly number[], data: Uint8Array]>>;

/** numpy.savez and numpy.savez_compressed of arrays. */
function npz(arrays: Arrays): Buffer {
  return zipFile(
    Object.entries(arrays).map(([name, [descr, sizes, data]], i) => {
      const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes.map((size) => `${size},`).join('')}), }\n`;
      const length = Buffer.from([header.length & 255, header.length >> 8]);
      const file = Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header), data]);
      return { name: `${name}.npy`, data: file, deflated: i % 2 === 1 };
    }),
  );
}

/** The latent state dict of a network as arrays. */
function torchArrays(model: Model): Arrays {
  const entries = [...(torchState(model, { packed: false }) as Map<string, TorchTensor>)];
  return Object.fromEntries(
    entries.map(([name, { shape: sizes, data }]) => [
      name,
      [data instanceof BigInt64Array ? '<i8' : '<f4', sizes, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
    ]),
  );
}

/** Metadata that a damaged text still gives. */
function texts(bytes: Uint8Array): { key: string; value: string }[] {
  return [
    ...Buffer.from(bytes)
      .toString('latin1')
      .matchAll(/"key":"(.*?)","value":"(.*?)"\}/gs),
  ].map(([, key = '', value = '']) => ({
    key,
    value: value.replaceAll('\\"', '"').replaceAll('\\\\', '\\'),
  }));
}
