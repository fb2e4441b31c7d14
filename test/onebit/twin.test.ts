import { describe, expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { layers } from '../../src/network/topology.ts';
import { singleEngine } from '../../src/onebit/engine.ts';
import { readOneBitFile } from '../../src/onebit/file.ts';
import { plan } from '../../src/onebit/plan.ts';
import { readPlanes, writePlanes } from '../../src/onebit/planes.ts';
import { twin } from '../../src/onebit/twin.ts';
import { randomImages, randomModel, variants } from '../network/random-model.ts';
import { reference, relativeError } from '../network/reference.ts';

const IMAGES = 2;
const oneBit = Object.entries(variants).filter(([, changes]) => changes.bits !== 32);

describe.each(oneBit)('%s', (_, changes) => {
  const model = randomModel(changes);
  const images = randomImages(model.config, IMAGES);
  const expected = reference(model, images, IMAGES);

  test.each(['packed', 'inline'] as const)('%s', (form) => {
    const file = readOneBitFile(toOnnx(model, { form, input: 'nchw-float' }));
    const names = layers(model.config).map(({ name }) => name);
    for (const keep of [[], names]) {
      const made = plan(file, { threads: 1, batch: IMAGES, keep });
      const memory = new ArrayBuffer(made.bytes);
      const engine = singleEngine(made, memory, twin(memory));
      writePlanes(memory, made.images, images, IMAGES);
      engine.run(IMAGES);
      expect(relativeError(readPlanes(memory, made.logits, IMAGES), expected.get('logits') as Float64Array)).toBeLessThan(1e-5);
      for (const [name, { placed }] of made.kept) {
        if (name.endsWith('widen')) continue; // its second half is nowhere
        expect(relativeError(readPlanes(memory, placed, IMAGES), expected.get(name) as Float64Array), name).toBeLessThan(1e-5);
      }
    }
  });
});
