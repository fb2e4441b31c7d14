/** Every backend of this machine on every form, against the naive interpreter; and what happens where a device is absent. */
import { describe, expect, test } from 'vitest';
import { type FormName, forms } from '../../../converters/onnx/forms/table.ts';
import { Graph, node } from '../../../converters/onnx/graph.ts';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { findBrowser } from '../../../eval/backends/browser/find.ts';
import { probe } from '../../../eval/backends/probe.ts';
import { type BackendName, backendOf, backends } from '../../../eval/backends/table.ts';
import { readClassifier } from '../../../eval/runtime/model-input.ts';
import { addDifference, noDifference, relativeError } from '../../../eval/tally/metrics.ts';
import { bisect } from '../../../eval/verify/bisect.ts';
import { DataType, encodeModel, type ModelProto, type NodeProto } from '../../../proto/onnx.ts';
import { DeviceError, InputError } from '../../../src/errors.ts';
import type { NetworkConfig } from '../../../src/network/config.ts';
import { writeModelFile } from '../../../src/network/model-file.ts';
import { randomImages, randomModel } from '../../network/random-model.ts';
import { reference } from '../../network/reference.ts';
import { testWithTensorFlow } from '../../train/tensorflow.ts';

const model = randomModel({ depth: 8, width: 1 });
const COUNT = 3;
const images = randomImages(model.config, COUNT);
const expected = Float32Array.from(reference(model, images, COUNT).get('logits') as Float64Array);
const browser = findBrowser();

/** A browser runs the same code for every form: one form with functions, one without, and the one for old runtimes. */
const cases: { backend: BackendName; needs: string; softwareGpu: boolean; formNames: FormName[] }[] = [
  { backend: 'cpu', needs: '', softwareGpu: false, formNames: Object.keys(forms) as FormName[] },
  { backend: 'wasm', needs: '', softwareGpu: false, formNames: Object.keys(forms) as FormName[] },
  { backend: 'browser-wasm', needs: 'a browser', softwareGpu: false, formNames: ['packed', 'inline', 'dense'] },
  { backend: 'onebit', needs: '', softwareGpu: false, formNames: ['packed', 'inline'] },
  { backend: 'browser-onebit', needs: 'a browser', softwareGpu: false, formNames: ['packed'] },
  { backend: 'webgpu', needs: 'a browser', softwareGpu: true, formNames: ['packed', 'inline'] },
  { backend: 'browser-webgpu', needs: 'a browser', softwareGpu: true, formNames: ['packed'] },
  { backend: 'browser-webgl', needs: 'a browser', softwareGpu: true, formNames: ['packed', 'dense'] },
];

describe.each(cases)('$backend', ({ backend, needs, softwareGpu, formNames }) => {
  const there = needs === '' || browser !== undefined;
  for (const form of formNames) {
    (there ? test : test.skip)(
      `${form} gives the logits of the naive interpreter${there ? '' : ` [needs ${needs}]`}`,
      async () => {
        const file = toOnnx(model, { form, input: form === 'packed' ? 'nhwc-uint8' : 'nchw-float' });
        const session = await backendOf(backend).open(file, readClassifier(file).input, { batch: COUNT, softwareGpu });
        try {
          // both batches at once, as evaluate sends them, and the second one short
          const [all, first] = await Promise.all([session.run(images, COUNT), session.run(images, 1)]);
          const logits = all.outputs['logits']?.data as Float32Array;
          expect(logits).toHaveLength(expected.length);
          expect(relativeError(addDifference(noDifference, logits, expected))).toBeLessThan(1e-5);
          const single = first.outputs['logits']?.data as Float32Array;
          expect(relativeError(addDifference(noDifference, single, expected.subarray(0, 10)))).toBeLessThan(1e-5);
          expect(session.loadSeconds).toBeGreaterThan(0);
          if (process.platform === 'linux') expect(await session.peakMemoryBytes()).toBeGreaterThan(10e6);
        } finally {
          await session.close();
        }
      },
      120_000,
    );
  }
});

(browser ? test : test.skip)(`WebGL shows the layers of a file that it rewrites${browser ? '' : ' [needs a browser]'}`, async () => {
  const side = (backend: BackendName) => ({ name: 'a', model: toOnnx(model, { form: 'packed', input: 'nhwc-uint8' }), backend });
  const options = { imagesNCHW: images, count: 1, backendOptions: { softwareGpu: true } };
  const { layers, first } = await bisect([side('cpu'), side('browser-webgl')], options);
  expect(first).toBeNull();
  expect(layers.length).toBeGreaterThan(30);
});

/** Every field of the configuration that changes what a network computes. */
const variants: readonly Partial<NetworkConfig>[] = [
  {},
  { bits: 32, endBits: 32, affine: 'all' },
  { endBits: 32, scale: 'mean-channel', inputRelu: true, affine: 'first' },
  { scale: 'mean-layer', residual: false, affine: 'last', epsilon: 0 },
  { activation: 'shifted-relu', logitsDivisor: 40, inputNorm: { mean: [125, 123, 114], std: [63, 62, 67] } },
  { downsample: { convPads: [1, 1, 1, 1], poolPads: [1, 1, 1, 1], poolCountsPads: true } },
];

testWithTensorFlow('tfjs: a model file of each variant gives the logits of the naive interpreter', async () => {
  for (const variant of variants) {
    const model = randomModel({ depth: 8, ...variant });
    const [file, images] = [toOnnx(model, { form: 'dense', input: 'nchw-float' }), randomImages(model.config, COUNT)];
    const session = await backends.tfjs.open(file, readClassifier(file).input, { batch: COUNT, source: writeModelFile(model) });
    try {
      const logits = (await session.run(images, COUNT)).outputs['logits']?.data as Float32Array;
      const expected = Float32Array.from(reference(model, images, COUNT).get('logits') as Float64Array);
      expect(logits).toHaveLength(expected.length);
      expect(relativeError(addDifference(noDifference, logits, expected)), JSON.stringify(variant)).toBeLessThan(1e-5);
      if (process.platform === 'linux') expect(await session.peakMemoryBytes()).toBeGreaterThan(10e6);
    } finally {
      await session.close();
    }
  }
});

test('a device that is absent is an error that says what to install, not a fallback', async () => {
  const file = toOnnx(model, { form: 'packed', input: 'nchw-float' });
  const { input } = readClassifier(file);
  for (const name of ['cuda', 'webgpu'] as const) {
    if ((await probe(name, {})).ok) continue;
    await expect(backendOf(name).open(file, input, { batch: 1 })).rejects.toThrow(DeviceError);
    await expect(backendOf(name).open(file, input, { batch: 1 })).rejects.toThrow(/needs an? (NVIDIA )?GPU/);
  }
  await expect(backends['browser-wasm'].open(file, input, { batch: 1, browser: '/nowhere/chrome' })).rejects.toThrow(
    'no browser at /nowhere/chrome',
  );
});

(browser ? test : test.skip)(`a node that WebGPU would leave to the CPU is an error${browser ? '' : ' [needs a browser]'}`, async () => {
  const graph = new Graph();
  graph.node('Det', ['images'], 'logits'); // WebGPU has no kernel for it, the CPU has
  const value = (name: string, sizes: number[]) => ({
    name,
    type: { tensor_type: { elem_type: DataType.FLOAT, shape: { dim: sizes.map((dim_value) => ({ dim_value })) } } },
  });
  const file = encodeModel({
    ir_version: 8,
    opset_import: [{ domain: '', version: 17 }],
    graph: { name: 'det', node: graph.nodes, input: [value('images', [1, 3, 8, 8])], output: [value('logits', [1, 3])] },
  });
  const { input } = readClassifier(file);
  const session = await backends.cpu.open(file, input, { batch: 1 });
  expect((await session.run(randomImages(model.config, 1), 1)).outputs['logits']?.data).toHaveLength(3);
  await session.close();
  await expect(backends.webgpu.open(file, input, { batch: 1, softwareGpu: true })).rejects.toThrow(DeviceError);
  await expect(backends['browser-webgpu'].open(file, input, { batch: 1, softwareGpu: true })).rejects.toThrow(DeviceError);
});

/** A classifier of one node and a dense layer, wrong in one way each. */
const wrong: readonly { title: string; proto: Partial<ModelProto>; first: NodeProto; message: RegExp }[] = [
  {
    title: "an operator of somebody's own",
    proto: { opset_import: [{ version: 17 }, { domain: 'acme', version: 1 }] },
    first: node('Frobnicate', ['images'], 'x', {}, 'acme'),
    message: /acme:Frobnicate/,
  },
  { title: 'a domain that is not imported', proto: {}, first: node('Relu', ['images'], 'x', {}, 'acme'), message: /domain 'acme'/ },
  { title: 'an attribute too many', proto: {}, first: node('Relu', ['images'], 'x', { slope: 2 }), message: /slope for operator Relu/ },
  { title: 'an input that nothing makes', proto: {}, first: node('Relu', ['nothing'], 'x'), message: /'nothing'/ },
  { title: 'inputs too few', proto: {}, first: node('Slice', ['images'], 'x'), message: /Slice/ },
  { title: 'a version from the future', proto: { ir_version: 99 }, first: node('Relu', ['images'], 'x'), message: /IR version: 99/ },
  {
    title: 'an operator set from the future',
    proto: { opset_import: [{ version: 99 }] },
    first: node('Relu', ['images'], 'x'),
    message: /Opset 99/,
  },
];
test.each(wrong)('the fault of the model is told from that of the machine: $title', async ({ proto, first, message }) => {
  const value = (name: string, sizes: number[]) => ({
    name,
    type: { tensor_type: { elem_type: DataType.FLOAT, shape: { dim: sizes.map((dim_value) => ({ dim_value })) } } },
  });
  const graph = new Graph();
  graph.nodes.push(first);
  graph.node('GlobalAveragePool', ['x'], 'pool');
  graph.node('Flatten', ['pool'], 'logits');
  const whole = { name: 'g', node: graph.nodes, input: [value('images', [1, 3, 8, 8])], output: [value('logits', [1, 3])] };
  const file = encodeModel({ ir_version: 8, opset_import: [{ version: 17 }], graph: whole, ...proto });
  for (const name of ['cpu', 'wasm'] as const) {
    const opened = backendOf(name).open(file, readClassifier(file).input, { batch: 1 });
    await expect(opened).rejects.toThrow(InputError);
    await expect(opened).rejects.toThrow(message);
  }
});

const closed: BackendName[] = browser ? ['cpu', 'browser-wasm'] : ['cpu'];
test.each(closed)('%s: what is asked of a session that is gone ends in a DeviceError', async (name) => {
  const file = toOnnx(model, { form: 'packed', input: 'nchw-float' });
  const session = await backendOf(name).open(file, readClassifier(file).input, { batch: 1 });
  await session.close();
  await expect(session.run(images, 1)).rejects.toThrow(DeviceError);
  await expect(session.peakMemoryBytes()).rejects.toThrow(DeviceError);
  await session.close();
});

test('a process that dies is an error, and the session can still be closed', async () => {
  const file = toOnnx(model, { form: 'packed', input: 'nchw-float' });
  const session = await backends.cpu.open(file, readClassifier(file).input, { batch: 1 });
  await expect(session.run(images.subarray(0, 5), 1)).resolves.toBeDefined(); // too few pixels are zeros
  await session.close();
  await expect(session.run(images, 1)).rejects.toThrow('the process ended');
});
