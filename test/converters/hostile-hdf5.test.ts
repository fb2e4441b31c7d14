/**
 * Damaged HDF5 files: a model, or a typed error, and the next whole file is read as before. Apart from hostile.test.ts,
 * since the library's heap, which a lying length may make grow up to WebAssembly's limit, never shrinks.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { openModel } from '../../converters/read.ts';
import { InputError } from '../../src/errors.ts';

// Written by test/interop/keras_network.py in TensorFlow 2.15: depth 8, width 1/8, 3 classes.
const bytes = new Uint8Array(readFileSync(new URL('sources/fixtures/keras-2.15-weights.h5', import.meta.url)));
const intact = (await openModel(bytes)).tensors;

async function attempt(damaged: Uint8Array): Promise<unknown> {
  try {
    return (await openModel(damaged)).tensors;
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return undefined;
  }
}

afterEach(async () => {
  expect((await openModel(bytes)).tensors).toEqual(intact);
});

test('cut at every 31st byte', async () => {
  for (let length = 0; length < bytes.length; length += 31) expect(await attempt(bytes.subarray(0, length))).toBeUndefined();
});

test('flipped bits', async () => {
  const flip = fc.tuple(fc.nat(bytes.length - 1), fc.nat(7));
  await fc.assert(
    fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 4 }), async (flips) => {
      const damaged = bytes.slice();
      for (const [at, bit] of flips) damaged[at] = (damaged[at] as number) ^ (1 << bit);
      await attempt(damaged);
    }),
    { numRuns: 300 },
  );
});

test('lying numbers', async () => {
  const lies = [0n, 1n, 0x10000n, 0x7fffffffn, 0xffffffffn, 2n ** 52n, 2n ** 63n, 2n ** 64n - 1n];
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 8), fc.constantFrom(...lies), async (at, lie) => {
      const damaged = bytes.slice();
      new DataView(damaged.buffer).setBigUint64(at, lie, true);
      await attempt(damaged);
    }),
    { numRuns: 300 },
  );
});
