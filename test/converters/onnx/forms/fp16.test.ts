/** The fp16 form against the naive interpreter, every value rounded to float16; and what float16 cannot hold. */
import { describe, expect, test } from 'vitest';
import { foldNorm } from '../../../../converters/onnx/forms/fold-norm.ts';
import { toFp16Onnx, toFp16Proto } from '../../../../converters/onnx/forms/fp16/to-fp16.ts';
import { typeName } from '../../../../converters/onnx/initializer.ts';
import { readClassifier } from '../../../../eval/runtime/model-input.ts';
import { verifyFp16 } from '../../../../eval/verify/fp16.ts';
import { roundFloat16 } from '../../../../eval/verify/round-float16.ts';
import { withLoaded } from '../../../../eval/verify/rounded-form.ts';
import { InputError, ParityError } from '../../../../src/errors.ts';
import type { Model } from '../../../../src/network/model.ts';
import { layers, type NormLayer } from '../../../../src/network/topology.ts';
import { randomImages, randomModel, variants } from '../../../network/random-model.ts';
import { reference, relativeError } from '../../../network/reference.ts';

const IMAGES = 2;

async function logitsOf(file: Uint8Array, pixels: Uint8Array): Promise<Float32Array> {
  return (await withLoaded(file, (loaded) => loaded.run(pixels, IMAGES))).logits;
}

describe.each(Object.keys(variants))('%s', (variant) => {
  const model = randomModel(variants[variant]);
  const pixels = randomImages(model.config, IMAGES);
  const expected = reference(model, pixels, IMAGES).get('logits') as Float64Array;

  test('the logits of the naive interpreter but for rounding', async () => {
    const proto = toFp16Proto(model, { input: 'nchw-float' });
    const got = relativeError(await logitsOf(roundFloat16(proto).model, pixels), expected);
    expect(got).toBeLessThan(0.02);
    expect(got).toBeGreaterThan(1e-6); // it does round
  });

  test.each([
    ['float32 in and out', 'nchw-float', false, 'float32'],
    ['float16 in and out', 'nchw-float', true, 'float16'],
    ['raw pixels', 'nhwc-uint8', false, 'uint8'],
  ] as const)('%s: a stock runtime takes it', async (_, input, float16Io, type) => {
    const file = toFp16Onnx(model, { input, float16Io });
    expect(readClassifier(file).input.type).toBe(type);
    expect(relativeError(await logitsOf(file, pixels), expected)).toBeLessThan(0.02);
  });

  test('between images and logits every float is float16, every layer has its name', () => {
    const { graph } = toFp16Proto(model, { input: 'nchw-float', float16Io: true });
    const types = (graph?.initializer ?? []).map(({ name, data_type }) => [name, typeName(data_type)]);
    // scales are float32 until the weights are unpacked
    for (const [name, type] of types) if (!name?.endsWith('.scale')) expect(type).not.toBe('float32');
    const outputs = graph?.node?.flatMap((node) => node.output ?? []);
    expect(outputs).toEqual(expect.arrayContaining(layers(model.config).map(({ name }) => name)));
  });
});

/** A model with one value of a parameter changed. */
function withValue(model: Model, name: string, value: number): Model {
  const tensor = model.tensors.get(name);
  if (tensor?.dtype !== 'float32') throw new Error(`${name} is no float tensor`);
  return { ...model, tensors: new Map([...model.tensors, [name, { ...tensor, data: tensor.data.map((x, i) => (i === 0 ? value : x)) }]]) };
}

test.each([
  ['of raw pixels: a variance of thousands', 'input.norm.variance', 4500],
  ['beyond float16: a variance of millions', 'group0.block0.norm0.variance', 4e6],
  ['of a dead channel: a variance of 0, only epsilon is left', 'group0.block0.norm0.variance', 0],
])('moments %s', (_, name, value) => {
  const model = withValue(randomModel(), name, value);
  const layer = layers(model.config).find((one) => name.startsWith(`${one.name}.`)) as NormLayer;
  const { factor } = foldNorm(model, layer);
  expect(factor[0]).toBeCloseTo(1 / Math.sqrt(value + 1e-5), 10);
  const stored = toFp16Proto(model, { input: 'nchw-float' }).graph?.initializer?.find((tensor) => tensor.name === `${layer.name}.factor`);
  const bits = new DataView(Uint8Array.from(stored?.raw_data ?? []).buffer).getUint16(0, true);
  // a normal number of float16: sign 0, (1 + fraction / 1024) * 2 ** (exponent - 15)
  const decoded = (1 + (bits & 1023) / 1024) * 2 ** ((bits >> 10) - 15);
  expect(Math.abs(decoded / (factor[0] as number) - 1)).toBeLessThan(2 ** -11);
});

test('a number that float16 does not hold is named', () => {
  const model = withValue(randomModel(), 'group0.block0.norm0.mean', 1e6);
  expect(() => toFp16Proto(model, { input: 'nchw-float' })).toThrow(InputError);
  expect(() => toFp16Proto(model, { input: 'nchw-float' })).toThrow(
    /model group0.block0.norm0.offset as float16: expected numbers of at most 65504, got -?\d/,
  );
});

test('an activation that overflows is named, and the file refused', async () => {
  const model = randomModel({ affine: 'first', inputRelu: true });
  const deviation = Math.sqrt(model.tensors.get('input.norm.variance')?.data[0] as number);
  const loud = withValue(withValue(model, 'input.norm.mean', 0), 'input.norm.gamma', 1000 * deviation); // pixels of 255 become 255,000
  const file = toFp16Onnx(loud, { input: 'nchw-float' });
  await expect(verifyFp16(file, { model: loud, images: 1 })).rejects.toThrow(ParityError);
  await expect(verifyFp16(file, { model: loud, images: 1 })).rejects.toThrow(
    /float16 overflows in input.norm: expected values of at most 65504/,
  );
});
