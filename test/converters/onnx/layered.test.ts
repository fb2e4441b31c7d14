/** Format version 2: one call for each block. Version 1, which tests of other files prove, is the measure. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { inspect } from '../../../converters/inspect/inspect.ts';
import { flatten } from '../../../converters/onnx/layered/flatten.ts';
import { checkDigest, digestOf } from '../../../converters/onnx/pack/digest.ts';
import { unpackOnnx } from '../../../converters/onnx/pack/unpack.ts';
import { fromOnnx, readOnnxModel } from '../../../converters/onnx/read.ts';
import { type ExportOptions, toFlatProto, toOnnx, toOnnxProto } from '../../../converters/onnx/write.ts';
import { bisect } from '../../../eval/verify/bisect.ts';
import { verifyPack } from '../../../eval/verify/pack.ts';
import { decodeModel, encodeModel, type NodeProto } from '../../../proto/onnx.ts';
import { readModelFile } from '../../../src/network/model-file.ts';
import { layers, weightCount } from '../../../src/network/topology.ts';
import { modelDigest } from '../../../src/network/weights-digest.ts';
import { readOneBitFile } from '../../../src/onebit/file.ts';
import { plan } from '../../../src/onebit/plan.ts';
import { loadOneBit } from '../../../src/onebit.ts';
import { randomImages, randomModel, variants } from '../../network/random-model.ts';
import { runOnnx } from '../../onebit/onnxruntime.ts';

const IMAGES = 2;
const shipped = new URL('../../../models/cifar-10-wrn-20-1/model.safetensors', import.meta.url);
/** Eight channels fill whole bytes. */
const wide = (changes = {}) => randomModel({ width: 1 / 2, ...changes });
const input = 'nchw-float';
const versionOf = (proto: { metadata_props?: { key?: string | null; value?: string | null }[] | null }) =>
  proto.metadata_props?.find(({ key }) => key === 'wrn.format_version')?.value;

describe.each(['keras', 'matlab', 'pytorch', 'two blocks a group', 'one channel, odd sizes, many classes'])('%s', (variant) => {
  const model = wide(variants[variant]);
  const file = toOnnx(model, { input });
  const images = randomImages(model.config, IMAGES);
  const { channels, height, width } = model.config.input;
  const run = async (bytes: Uint8Array) =>
    (await runOnnx(bytes, Float32Array.from(images), [IMAGES, channels, height, width])).get('logits');

  test('logits are those of version 1 bit for bit', async () => {
    expect(versionOf(decodeModel(file))).toBe('2');
    expect(await run(file)).toEqual(await run(encodeModel(toFlatProto(model))));
  });

  test('holds every bit and every float of the model', () => {
    const { config, tensors, about } = readOnnxModel(file);
    expect({ config, about }).toEqual({ config: model.config, about: model.about });
    expect(new Map([...tensors].sort())).toEqual(new Map([...model.tensors].sort()));
    expect(checkDigest(decodeModel(file))).toBe(modelDigest(model));
  });

  test('the one-bit runtime reads the same numbers', async () => {
    const logits = async (bytes: Uint8Array) => {
      const network = await loadOneBit(bytes, { threads: 1 });
      const result = await network.run(images);
      network.release();
      return result;
    };
    expect(await logits(file)).toEqual(await logits(encodeModel(toFlatProto(model))));
  });

  test('weights come out as they are', async () => {
    const { model: dense, unpacked } = unpackOnnx(file);
    const rows = unpacked.map((row) => ({ ...row, error: 0 }));
    const { weights } = await verifyPack(dense, { original: file, packed: rows });
    expect(weights).toEqual({ count: rows.reduce((sum, row) => sum + row.weights, 0), difference: 0 });
    expect(unpacked.map(({ layer }) => layer)).toEqual(
      layers(model.config).flatMap((l) => (l.op === 'conv' && l.bits === 1 ? [l.name] : [])),
    );
    expect(await run(dense)).toEqual(await run(file));
  });
});

test('the shipped CIFAR-10 network of width 1 takes less than 1.3 bits per weight', async () => {
  const model = readModelFile(await readFile(shipped));
  expect(weightCount(model.config)).toBe(268_336);
  const file = toOnnx(model);
  expect((8 * file.length) / 268_336).toBeLessThan(1.3);
  // A viewer shows a node for every block and for the first and last layers, each named after the layer whose output it is.
  const outputs = toOnnxProto(model).graph?.node?.map(({ output }) => output?.[0]);
  const blocks = [0, 1, 2].flatMap((g) => [0, 1, 2].map((b) => `group${g}.block${b}`));
  const head = ['head.norm', 'head.relu', 'head.conv', 'head.norm1', 'head.pool', 'logits'];
  expect(outputs).toEqual(['pm', 'input.norm', 'stem.conv', ...blocks, ...head]);
  // Inside a block, the attributes and the tensors have the names of its layers.
  const block = decodeModel(file).functions?.find(({ name }) => name === 'Halve');
  const inner = layers(model.config).flatMap(({ name }) => (name.startsWith('group1.block0.') ? [name.slice(14)] : []));
  expect(block?.node?.flatMap(({ output }) => output ?? [])).toEqual(expect.arrayContaining(inner));
  expect(inspect(file).totals.bytes).toBe(33_542 + 4 * 1422);
});

test.each<[string, Parameters<typeof randomModel>[0]]>([
  ['channels that fill no byte', { width: 1 / 4 }],
  ['no shortcuts', variants['matlab plain']],
  ['learned batch norms', variants['learned batch norm']],
  ['no batch norms', variants['shifted ReLU']],
  ['a scale for each channel', variants['mean scale per channel']],
  ['32 bits', variants['full precision']],
])('%s: version 1', (_, changes) => {
  expect(versionOf(toOnnxProto(randomModel({ width: 1 / 2, ...changes })))).toBe('1');
});

test('scales that differ inside a block: version 1', () => {
  const model = wide();
  (model.tensors.get('group0.block0.conv1.scale')?.data as Float32Array)[0] = 0.25;
  expect(versionOf(toOnnxProto(model))).toBe('1');
});

test('a file whose function was changed is not flattened: its metadata says something else than it computes', () => {
  const proto = decodeModel(toOnnx(wide()));
  expect(flatten(proto)).not.toBe(proto);
  const calls = proto.functions?.find(({ name }) => name === 'Block')?.node?.filter(({ op_type }) => op_type === 'SignConv');
  const strides = calls?.[0]?.attribute?.find(({ name }) => name === 'strides');
  if (!strides) throw new Error('no strides');
  strides.ints = [2, 2];
  expect(flatten(proto)).toBe(proto);
});

test('the same model gives the same bytes everywhere', () => {
  const file = toOnnx(wide({}), { input: 'nhwc-uint8' });
  expect(createHash('sha256').update(file).digest('hex')).toBe('d2ccf4aa20e66984302fd1aa9bdfb103c37a77bdbc56fa2990070e896247e652');
});

test.each<[string, ExportOptions]>([
  ['raw pixels', { input: 'nhwc-uint8' }],
  ['another name', { inputName: 'pixel_values' }],
  ['a fixed batch', { batch: 3 }],
])('in version 1 it keeps %s', (_, options) => {
  const flat = flatten(toOnnxProto(wide(), options));
  expect(flat.graph?.input).toEqual(toFlatProto(wide(), options).graph?.input);
  expect(flat).toEqual(toFlatProto(wide(), options));
});

test('every layer can be compared with another form', async () => {
  const model = wide();
  const sides = (['packed', 'dense'] as const).map((form) => ({
    name: form,
    model: toOnnx(model, { form, input }),
    backend: 'cpu' as const,
  }));
  const batch = { imagesNCHW: randomImages(model.config, 1), count: 1 };
  const { layers: compared, first } = await bisect([sides[0], sides[1]] as Parameters<typeof bisect>[0], batch);
  expect(compared.map(({ layer }) => layer)).toEqual(layers(model.config).map(({ name }) => name));
  expect(first).toBeNull();
});

describe('a file that is not what it says', () => {
  const changed = (output: string, change: (node: NodeProto) => void) => {
    const proto = decodeModel(toOnnx(wide(), { input }));
    const node = proto.graph?.node?.find((one) => one.output?.[0] === output) as NodeProto;
    change(node);
    return proto;
  };
  const without = (name: string) => (node: NodeProto) => {
    node.attribute = node.attribute?.filter((one) => one.name !== name) ?? [];
  };
  const attribute = (node: NodeProto, name: string) =>
    node.attribute?.find((one) => one.name === name) as NonNullable<NodeProto['attribute']>[0];

  test.each<[string, string, (node: NodeProto) => void, string]>([
    ['bits are missing', 'group0.block0', without('conv1'), 'group0.block0.conv1'],
    ['a scale is missing', 'stem.conv', without('scale'), 'stem.conv'],
    ['moments are missing', 'group0.block0', without('norm0'), 'group0.block0.norm0.mean'],
    ['a variance is missing', 'input.norm', (node) => attribute(node, 'moments').floats?.pop(), 'input.norm.mean'],
    [
      'moments of fewer channels',
      'input.norm',
      (node) => {
        attribute(node, 'moments').floats = [1, 2];
      },
      'input.norm.mean',
    ],
    [
      'fewer bits',
      'stem.conv',
      (node) => {
        attribute(node, 'bits').t = { dims: [2], data_type: 2, raw_data: new Uint8Array(2) };
      },
      'stem.conv.bits',
    ],
    [
      'the same layer twice',
      'group1.block0',
      (node) => {
        node.output = ['group0.block0'];
      },
      'expected one tensor of this name, got two',
    ],
  ])('%s', (_, output, change, message) => {
    const proto = changed(output, change);
    expect(() => fromOnnx(proto)).toThrow(message);
    expect(() => plan(readOneBitFile(encodeModel(proto)), { threads: 1, batch: 1 })).toThrow(message);
  });

  test('a changed number', () => {
    const proto = changed('group0.block0', (node) => {
      const { floats } = attribute(node, 'norm0');
      if (floats) floats[0] = 7;
    });
    expect(() => checkDigest(proto)).toThrow('metadata wrn.sha256: expected stored numbers with the digest');
    expect(digestOf(proto)).toBe(modelDigest(wide())); // the weights are those
  });
});
