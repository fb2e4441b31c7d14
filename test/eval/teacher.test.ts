/** Any ONNX classifier answers as it does in onnxruntime, whatever its batch size, layout and last node. */
import { describe, expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { openTeacher } from '../../eval/teacher.ts';
import { decodeModel, encodeModel } from '../../proto/onnx.ts';
import { softTargets } from '../../src/train/batches/teacher.ts';
import { randomImages, randomModel } from '../network/random-model.ts';
import { relativeError } from '../network/reference.ts';
import { runOnnx } from '../onebit/onnxruntime.ts';

const model = randomModel({ depth: 8, width: 0.5, input: { channels: 3, height: 8, width: 8 } });
const COUNT = 7;
const images = randomImages(model.config, COUNT);
const { classes } = model.config;
const file = toOnnx(model, { form: 'dense', input: 'nchw-float' });

/** The same network with its logits behind a Softmax. */
function withSoftmax(): Uint8Array {
  const proto = decodeModel(file);
  const [output] = proto.graph?.output ?? [];
  proto.graph?.node?.push({ op_type: 'Softmax', input: ['logits'], output: ['probabilities'], name: 'softmax' });
  proto.graph?.output?.splice(0, 1, { ...output, name: 'probabilities' });
  return encodeModel(proto);
}

const files: Readonly<Record<string, () => Uint8Array>> = {
  'float32 NCHW': () => file,
  'uint8 NHWC': () => toOnnx(model, { form: 'packed', input: 'nhwc-uint8' }),
  'a batch of 3 fixed in the file': () => toOnnx(model, { form: 'dense', input: 'nchw-float', batch: 3 }),
};

describe('logits of a teacher:', async () => {
  const outputs = await runOnnx(file, Float32Array.from(images), [COUNT, 3, 8, 8]);
  const expected = outputs.get('logits') as Float32Array;

  test.each(Object.entries(files))('%s', async (_, make) => {
    await using teacher = await openTeacher(make());
    // calls overlap, and each has its own answer
    const [all, first] = await Promise.all([teacher.logits(images, COUNT), teacher.logits(images, 1)]);
    expect(relativeError(all, expected)).toBeLessThan(1e-5);
    expect(relativeError(first, expected.subarray(0, classes))).toBeLessThan(1e-5);
  });

  test('probabilities of a Softmax give the same targets', async () => {
    await using teacher = await openTeacher(withSoftmax());
    const got = softTargets(await teacher.logits(images, COUNT), classes, 4);
    const wanted = softTargets(expected, classes, 4);
    expect(relativeError(got.probabilities, wanted.probabilities)).toBeLessThan(1e-5);
    expect(got.entropy).toBeCloseTo(wanted.entropy, 5);
  });

  test('a file that onnxruntime refuses is an error of the file', async () => {
    const proto = decodeModel(file);
    proto.graph?.node?.splice(0, 1, { ...proto.graph.node[0], op_type: 'NoSuchOp' });
    await expect(openTeacher(encodeModel(proto), { name: 'odd.onnx' })).rejects.toMatchObject({
      code: 'WRN_INPUT',
      message: expect.stringMatching(/^teacher odd\.onnx: expected a model that onnxruntime runs.*NoSuchOp/),
    });
  });
});
