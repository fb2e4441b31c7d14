import { expect, test } from 'vitest';
import { luma } from '../../src/network/luma.ts';

test('of all 2^24 colours: within half a step, and grey stays as it is', () => {
  let furthest = 0;
  for (let red = 0; red < 256; red++) {
    for (let green = 0; green < 256; green++) {
      for (let blue = 0; blue < 256; blue++) {
        const distance = Math.abs(luma(red, green, blue) - (0.299 * red + 0.587 * green + 0.114 * blue));
        if (distance > furthest) furthest = distance;
      }
    }
    expect(luma(red, red, red)).toBe(red);
  }
  // The weights are off by less than a 65536th each.
  expect(furthest).toBeLessThan(0.5 + (3 * 255) / 65536);
});
