/** What a file says of its inputs, and what is refused. */
import { expect, test } from 'vitest';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { readClassifier } from '../../../eval/runtime/model-input.ts';
import { encodeModel } from '../../../proto/onnx.ts';
import { model as foreign, node, value } from '../../converters/onnx/foreign-model.ts';
import { randomModel } from '../../network/random-model.ts';

test.each([
  {
    title: 'images',
    dims: ['batch', 2 ** 20, 2 ** 20, 3],
    classes: 10,
    message: /input x: expected at most 67108864 values, got 3298534883328/,
  },
  { title: 'a batch', dims: [2 ** 40, 3, 32, 32], classes: 10, message: /input x: expected at most 67108864 values/ },
  { title: 'classes', dims: ['batch', 3, 32, 32], classes: 2 ** 40, message: /output y: expected at most 1000000 classes, got/ },
])('a classifier that asks for terabytes is refused: $title', ({ dims, classes, message }) => {
  const proto = foreign({ nodes: [node('Identity', ['x'], 'y')], tensors: [], inputs: [value('x', dims)] });
  proto.graph = { ...proto.graph, output: [value('y', ['batch', classes])] };
  expect(() => readClassifier(encodeModel(proto))).toThrow(message);
});

test.each([
  { channels: 1, height: 4, width: 4 },
  { channels: 6, height: 8, width: 4 },
  { channels: 3, height: 4, width: 9 },
  { channels: 5, height: 7, width: 6 },
])('a file of ours says how its images of $channels x $height x $width lie', (input) => {
  for (const [layout, file] of [
    ['nchw', toOnnx(randomModel({ input }), { form: 'packed', input: 'nchw-float' })],
    ['nhwc', toOnnx(randomModel({ input }), { form: 'packed', input: 'nhwc-uint8' })],
  ] as const)
    expect(readClassifier(file).input).toMatchObject({ layout, ...input });
});
