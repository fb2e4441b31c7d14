import fc from 'fast-check';
import { expect, test } from 'vitest';
import { heScale, packedLength, packSigns, scaledSigns, signAt, unpackSigns } from '../../src/network/sign.ts';

test("He's scale, by the paper's equation 1", () => {
  // sqrt(2 / (3 * 3 * 160)), and twice the standard deviation's gain without shortcuts: sqrt(4 / (3 * 3 * 64)).
  expect(heScale(3, 160, true)).toBeCloseTo(0.0372677996, 9);
  expect(heScale(1, 640, true)).toBeCloseTo(0.0559016994, 9);
  expect(heScale(3, 64, false)).toBeCloseTo(1 / 12, 12);
});

test('most significant bit first, zero and minus zero are +1, the last byte is filled with zeros', () => {
  // numpy.packbits([1, 0, 1, 1, 0, 0, 0, 1, 1]) is [177, 128].
  expect(packSigns([0.1, -0.1, 0, -0, -1e-30, -5, -Infinity, 1, 2])).toEqual(Uint8Array.of(177, 128));
  expect(packSigns([])).toEqual(new Uint8Array());
  expect(() => packSigns([1, Number.NaN])).toThrow('weights index 1: expected a number, got NaN');
});

test('unpacking gives the signs back', () => {
  fc.assert(
    fc.property(fc.float32Array({ noNaN: true, maxLength: 40 }), (weights) => {
      const signs = Float32Array.from(weights, (w) => (w >= 0 ? 1 : -1));
      const bits = packSigns(weights);
      expect(bits).toHaveLength(packedLength(weights.length));
      expect(unpackSigns(bits, weights.length)).toEqual(signs);
      expect(Float32Array.from(weights, (_, i) => signAt(bits, i))).toEqual(signs);
    }),
  );
});

test('W_hat is the sign times the scale of the layer or of the output channel', () => {
  const bits = packSigns([1, -1, -1, 1]);
  expect(scaledSigns(bits, 4, Float32Array.of(0.5))).toEqual(Float32Array.of(0.5, -0.5, -0.5, 0.5));
  expect(scaledSigns(bits, 4, Float32Array.of(0.5, 2))).toEqual(Float32Array.of(0.5, -0.5, -2, 2));
});
