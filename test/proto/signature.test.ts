/** What is read without the codec is what the codec reads. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { toFp16Onnx } from '../../converters/onnx/forms/fp16/to-fp16.ts';
import { forms } from '../../converters/onnx/forms/table.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { decodeModel, encodeModel, toNumber, type ValueInfoProto } from '../../proto/onnx.ts';
import { readMetadataPairs, readSignature } from '../../proto/reader.ts';
import { InputError } from '../../src/errors.ts';
import { model as foreign, node, value } from '../converters/onnx/foreign-model.ts';
import { randomModel } from '../network/random-model.ts';

const model = randomModel();
const withNames = { ...model, about: { ...model.about, classLabels: Array.from({ length: 10 }, (_, i) => `классе ${i}`) } };
const torch = fileURLToPath(new URL('../converters/onnx/fixtures/binary-torch.onnx', import.meta.url));

const files: Readonly<Record<string, () => Uint8Array | Promise<Uint8Array>>> = {
  ...Object.fromEntries((Object.keys(forms) as (keyof typeof forms)[]).map((form) => [form, () => toOnnx(withNames, { form, batch: 4 })])),
  'uint8 images': () => toOnnx(withNames, { input: 'nhwc-uint8' }),
  float16: () => toFp16Onnx(withNames, { float16Io: true }),
  "PyTorch's": () => readFile(torch),
  'weights among the inputs': () =>
    encodeModel(
      foreign({
        nodes: [node('Add', ['x', 'w'], 'y')],
        tensors: [{ name: 'w', dims: [1], data_type: 1, raw_data: new Uint8Array(4) }],
        inputs: [value('x', ['batch', -1, 3]), value('w', [1])],
      }),
    ),
};

test.each(Object.entries(files))('%s: inputs, outputs and metadata', async (_, make) => {
  const bytes = await make();
  const { graph, metadata_props } = decodeModel(bytes);
  const stored = new Set(graph?.initializer?.map(({ name }) => name));
  const described = ({ name, type }: ValueInfoProto) => ({
    name,
    type: type?.tensor_type?.elem_type,
    dims: (type?.tensor_type?.shape?.dim ?? []).map(({ dim_value }) => Math.max(0, toNumber(dim_value)) || undefined),
  });
  const signature = readSignature(bytes);
  expect(signature.inputs).toEqual(graph?.input?.filter(({ name }) => !stored.has(name)).map(described));
  expect(signature.inputs).toHaveLength(1);
  expect(signature.outputs).toEqual(graph?.output?.map(described));
  expect(readMetadataPairs(bytes)).toEqual(metadata_props?.map(({ key, value }) => ({ key, value })) ?? []);
});

test('what is no message is refused', () => {
  for (const bytes of [Uint8Array.of(0x3a, 200), Uint8Array.of(0xff), new TextEncoder().encode('no model')])
    expect(() => readSignature(bytes)).toThrow(InputError);
});
