/** The 8-bit form against onnxruntime, tensor by tensor. */
import { describe, expect, test } from 'vitest';
import { planInt8 } from '../../converters/onnx/forms/int8/plan.ts';
import { toInt8Onnx } from '../../converters/onnx/forms/int8/to-int8.ts';
import { singleEngine } from '../../src/onebit/engine.ts';
import { readOneBitFile } from '../../src/onebit/file.ts';
import { plan } from '../../src/onebit/plan.ts';
import { readPlanes, writePlanes } from '../../src/onebit/planes.ts';
import { twin } from '../../src/onebit/twin.ts';
import { loadOneBit } from '../../src/onebit.ts';
import { randomImages, randomModel, variants } from '../network/random-model.ts';
import { relativeError } from '../network/reference.ts';
import { runOnnx } from './onnxruntime.ts';
import { rangesOf } from './ranges.ts';

const IMAGES = 2;
const oneBit = Object.entries(variants).filter(([, changes]) => changes.bits !== 32);

describe.each(oneBit)('%s', (_, changes) => {
  const model = randomModel(changes);
  const { input } = model.config;
  const images = randomImages(model.config, IMAGES);

  test.each([{ indices: 'cast' }, { indices: 'product' }, { zeroPoint: 1 }] as const)('%o', async (signs) => {
    const bytes = toInt8Onnx(model, { ranges: rangesOf(model, images, IMAGES), ...signs });
    const file = readOneBitFile(bytes);
    const keep = planInt8(model).tensors.map(({ name }) => name);
    const made = plan(file, { threads: 1, batch: IMAGES, keep });
    const memory = new ArrayBuffer(made.bytes);
    const engine = singleEngine(made, memory, twin(memory));
    writePlanes(memory, made.images, images, IMAGES);
    engine.run(IMAGES);
    const dims = [IMAGES, input.channels, input.height, input.width];
    const expected = await runOnnx(
      bytes,
      Float32Array.from(images),
      dims,
      keep.map((name) => `${name}.q`),
    );
    // Convolutions in front of a sum have real values in memory: what is left of their 8 bits.
    for (const [name, { placed }] of made.kept) {
      const [scale, zero] = [file.scale(`${name}.q_scale`), file.byte(`${name}.q_zero`)];
      const values = readPlanes(memory, placed, IMAGES);
      const got = placed.size === 1 ? values : Uint8Array.from(values, (value) => Math.round(value / scale) + zero);
      expect(got, name).toEqual(new Uint8Array(expected.get(`${name}.q`) as Uint8Array));
    }
    expect([...made.kept.keys()]).toEqual(keep);
    expect(relativeError(readPlanes(memory, made.logits, IMAGES), expected.get('logits') as Float32Array)).toBeLessThan(1e-6);
  });
});

// What 8-bit rounding follows has to be equal to the last bit: floats that differ there decide ties otherwise, and what
// differs spreads. onnxruntime has this order for multiples of 16 channels, where the processor has FMA.
test.skipIf(process.arch !== 'x64')('x64: the float32 layers in front of 8-bit ones are equal bit for bit', async () => {
  const model = randomModel({ width: 1, input: { channels: 3, height: 16, width: 16 } });
  const images = randomImages(model.config, IMAGES);
  const bytes = toInt8Onnx(model, { ranges: rangesOf(model, images, IMAGES) });
  const keep = ['input.norm', 'stem.conv', 'group1.block0.pool', 'group2.block0.pool'];
  const network = await loadOneBit(bytes, { threads: 1, keep });
  const outputs = await network.runLayers(images);
  const expected = await runOnnx(bytes, Float32Array.from(images), [IMAGES, 3, 16, 16], keep);
  for (const name of keep) expect(outputs.get(name)?.data, name).toEqual(new Float32Array(expected.get(name) as Float32Array));
  network.release();
});
