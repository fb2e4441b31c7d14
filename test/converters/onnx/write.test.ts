import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { type FormName, forms } from '../../../converters/onnx/forms/table.ts';
import { readOnnxModel } from '../../../converters/onnx/read.ts';
import { toOnnx, toOnnxProto } from '../../../converters/onnx/write.ts';
import { readModel } from '../../../converters/read.ts';
import { decodeModel, encodeModel } from '../../../proto/onnx.ts';
import { inputLayouts } from '../../../src/network/file-metadata.ts';
import type { Model } from '../../../src/network/model.ts';
import { layers, weightCount } from '../../../src/network/topology.ts';
import { randomImages, randomModel, variants } from '../../network/random-model.ts';
import { reference, relativeError } from '../../network/reference.ts';
import { models, testWith } from '../../shared.ts';

const formNames = Object.keys(forms) as FormName[];
const IMAGES = 3;

async function run(file: Uint8Array, images: Tensor): Promise<Float32Array> {
  const session = await InferenceSession.create(file);
  try {
    const { logits } = await session.run({ images });
    return logits?.data as Float32Array;
  } finally {
    await session.release();
  }
}

function nchw({ config }: Model, pixels: Uint8Array): Tensor {
  const { channels, height, width } = config.input;
  return new Tensor('float32', Float32Array.from(pixels), [IMAGES, channels, height, width]);
}

function nhwc({ config }: Model, pixels: Uint8Array): Tensor {
  const { channels, height, width } = config.input;
  const at = (n: number, y: number, x: number, c: number) => pixels[((n * channels + c) * height + y) * width + x] as number;
  const data = Uint8Array.from({ length: pixels.length }, (_, i) => {
    const pixel = Math.floor(i / channels);
    return at(Math.floor(pixel / (height * width)), Math.floor(pixel / width) % height, pixel % width, i % channels);
  });
  return new Tensor('uint8', data, [IMAGES, height, width, channels]);
}

describe.each(Object.keys(variants))('%s', (variant) => {
  const model = randomModel(variants[variant]);
  const pixels = randomImages(model.config, IMAGES);
  const expected = reference(model, pixels, IMAGES).get('logits') as Float64Array;

  test.each(formNames)('%s gives the logits of the naive interpreter', async (form) => {
    expect(relativeError(await run(toOnnx(model, { form, input: 'nchw-float' }), nchw(model, pixels)), expected)).toBeLessThan(1e-5);
  });

  test('raw pixels, channels last, give the same', async () => {
    expect(relativeError(await run(toOnnx(model, { form: 'packed', input: 'nhwc-uint8' }), nhwc(model, pixels)), expected)).toBeLessThan(
      1e-5,
    );
  });

  test.each(formNames)('%s holds every bit and every float of the model', (form) => {
    const { config, tensors, about } = readOnnxModel(toOnnx(model, { form, input: 'nchw-float' }));
    expect({ config, about }).toEqual({ config: model.config, about: model.about });
    expect(new Map([...tensors].sort())).toEqual(new Map([...model.tensors].sort()));
  });

  test('every layer is a tensor of its name', () => {
    for (const form of formNames) {
      const outputs = toOnnxProto(model, { form, input: 'nchw-float' }).graph?.node?.flatMap((node) => node.output ?? []);
      expect(outputs).toEqual(expect.arrayContaining(layers(model.config).map((layer) => layer.name)));
      expect(new Set(outputs).size).toBe(outputs?.length);
    }
  });
});

test('what is known of a model is in the file', () => {
  const about = { dialect: 'keras', sourceSha256: 'ab', dataset: 'cifar-10', classLabels: [...'abcdefghij'], testAccuracy: 0.9625 };
  const model = { ...randomModel(), about };
  expect(readOnnxModel(toOnnx(model, { form: 'packed', input: 'nhwc-uint8' })).about).toEqual(about);
  const { metadata_props } = toOnnxProto(model, { form: 'packed', input: 'nhwc-uint8' });
  const value = (key: string) => metadata_props?.find((entry) => entry.key === key)?.value;
  expect([value('wrn.input_layout'), value('wrn.input_range'), value('wrn.form')]).toEqual(['nhwc-uint8', '0..255', 'packed']);
});

/** Bytes must not depend on the machine, the clock or chance. Their content is proven by the tests above and by test/interop. */
const golden: Record<FormName, string> = {
  packed: '7d2c6c6c075eb509a57959f6938dbe9ccfcbedefd8dfe76f0aaf4cd078ee91f1',
  inline: '8ebc8138048d7155c1cc7c27ffeb740a98c0a37cb4dc352da8e9cd002627f787',
  dense: 'ba9f7795817e33addc59ff01ce17b1eb73b0c0752cd339bd7717196acf9b7fed',
  qonnx: '2622dbe6b259e1a08bb9cdf0188ef2677c6301241bdce5ba194bd2c95d39040d',
};

test.each(formNames)('%s: the same model gives the same bytes everywhere', (form) => {
  const bytes = () => toOnnx(randomModel({ width: 1 / 16 }, 3), { form, input: inputLayouts[1] });
  const proto = decodeModel(bytes());
  proto.metadata_props = proto.metadata_props?.filter(({ key }) => !/^wrn\.(weights|tensors)_sha256$/.test(key ?? '')) ?? []; // it came later, and has tests of its own
  expect(createHash('sha256').update(encodeModel(proto)).digest('hex')).toBe(golden[form]);
  expect(bytes()).toEqual(bytes());
});

testWith(models.keras, "the author's CIFAR-10 network takes at most 1.03 bits per weight", async (path) => {
  const model = readModel(await readFile(path));
  expect(weightCount(model.config)).toBe(26_737_120);
  expect((toOnnx(model, { form: 'packed', input: 'nchw-float' }).length * 8) / 26_737_120).toBeLessThan(1.03);
});
