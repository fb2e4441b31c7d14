/** Distributions of the augmentation. Limits are five standard deviations: about one false alarm in a million. */
import { expect, test } from 'vitest';
import { permutation, randomStream } from '../../../src/data/random.ts';
import { augment, noAugmentation } from '../../../src/train/batches/augment.ts';

const shape = { channels: 2, height: 6, width: 5 };
const size = 60;
/** Each pixel says where it is: 100 * channel + 10 * y + x. */
const image = Uint8Array.from({ length: size }, (_, i) => 100 * Math.floor(i / 30) + 10 * Math.floor((i % 30) / 5) + (i % 5));
const black = new Uint8Array(size);
const draw = (augmentation: Parameters<typeof augment>[2], seed: number, from = image) => {
  const target = new Float32Array(size);
  augment(from, shape, augmentation, randomStream(seed), target);
  return target;
};
const pixel = (target: Float32Array, c: number, y: number, x: number) => target[(y * 5 + x) * 2 + c];
const withinFiveDeviations = (hits: number, trials: number, p: number) => Math.abs(hits - trials * p) < 5 * Math.sqrt(trials * p * (1 - p));

test('without augmentation pixels only change from NCHW to NHWC', () => {
  const target = draw(noAugmentation, 1);
  for (let c = 0; c < 2; c++)
    for (let y = 0; y < 6; y++) for (let x = 0; x < 5; x++) expect(pixel(target, c, y, x)).toBe(100 * c + 10 * y + x);
});

test('every second image is mirrored', () => {
  const trials = 4000;
  let mirrored = 0;
  for (let seed = 0; seed < trials; seed++) {
    const first = pixel(draw({ ...noAugmentation, flip: true }, seed), 0, 0, 0);
    expect([0, 4]).toContain(first);
    if (first === 4) mirrored++;
  }
  expect(withinFiveDeviations(mirrored, trials, 0.5)).toBe(true);
});

test('all crops are equally frequent; what comes from outside is uniform in 0..255', () => {
  const trials = 10_000;
  const crops = new Map<string, number>();
  const border = new Uint32Array(256);
  for (let seed = 0; seed < trials; seed++) {
    // the image holds only 255, its middle only 254, which shows the shift
    const plain = new Uint8Array(size).fill(255);
    plain[2 * 5 + 2] = 254;
    const target = draw({ ...noAugmentation, pad: 2 }, seed, plain);
    let found: string | undefined;
    for (let y = 0; y < 5; y++)
      for (let x = 0; x < 5; x++) if (pixel(target, 0, y, x) === 254 && surrounded(target, y, x)) found = `${y} ${x}`;
    if (found !== undefined) crops.set(found, (crops.get(found) ?? 0) + 1);
    if (found === '0 0')
      for (let x = 0; x < 5; x++) border[pixel(target, 1, 5, x) as number] = (border[pixel(target, 1, 5, x) as number] as number) + 1;
  }
  expect(crops.size).toBe(25);
  for (const count of crops.values()) expect(withinFiveDeviations(count, trials, 1 / 25)).toBe(true);
  const total = border.reduce((a, b) => a + b);
  for (const count of border) expect(withinFiveDeviations(count, total, 1 / 256)).toBe(true);
});

/** Whether the neighbours inside the target are the image's, not noise that happens to be 254. */
function surrounded(target: Float32Array, y: number, x: number): boolean {
  return pixel(target, 1, y, x) === 255 && pixel(target, 0, y + 1 < 6 ? y + 1 : y - 1, x) === 255;
}

test('cutout covers every pixel equally often, with uniform integers', () => {
  const trials = 12_000;
  const covered = new Uint32Array(30);
  const values = new Uint32Array(256);
  for (let seed = 0; seed < trials; seed++) {
    const target = draw({ ...noAugmentation, cutout: 3 }, seed, black);
    for (let p = 0; p < 30; p++) {
      const pair = [target[2 * p] as number, target[2 * p + 1] as number];
      if (pair[0] !== 0 || pair[1] !== 0) covered[p] = (covered[p] as number) + 1; // noise is 0, 0 once in 65536
      for (const value of pair) values[value] = (values[value] as number) + 1;
    }
  }
  // 3 of height + 3 - 1 = 8 positions cover a row, 3 of 7 a column
  for (const count of covered) expect(withinFiveDeviations(count, trials, (3 / 8) * (3 / 7))).toBe(true);
  const noise = values.subarray(1);
  const total = noise.reduce((a, b) => a + b);
  for (const count of noise) expect(withinFiveDeviations(count, total, 1 / 255)).toBe(true);
});

/** Pearson's statistic of counts that should be equal, in standard deviations of chi-square from its mean, the degrees of freedom. */
function deviation(counts: Uint32Array): number {
  const expected = counts.reduce((a, b) => a + b) / counts.length;
  const statistic = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  const degrees = counts.length - 1;
  return (statistic - degrees) / Math.sqrt(2 * degrees);
}

test.each([
  ['padding', { ...noAugmentation, pad: 1000 }],
  ['cutout', { ...noAugmentation, cutout: 1000 }],
])('%s is of uniform integers 0..255, and so are neighbours together (chi-square)', (_, augmentation) => {
  const values = new Uint32Array(256);
  const pairs = new Uint32Array(65_536);
  for (let seed = 0; seed < 22_000; seed++) {
    const target = draw(augmentation, seed, black);
    if (target.filter((value) => value === 0).length > 6) continue; // the image itself is seen
    for (let i = 0; i < size; i += 2) {
      const [a, b] = [target[i] as number, target[i + 1] as number];
      for (const value of [a, b]) values[value] = (values[value] as number) + 1;
      pairs[256 * a + b] = (pairs[256 * a + b] as number) + 1;
    }
  }
  expect(Math.abs(deviation(values))).toBeLessThan(5);
  expect(Math.abs(deviation(pairs))).toBeLessThan(5);
});

test('the same stream gives the same image, another one another', () => {
  const all = { ...noAugmentation, flip: true, pad: 2, cutout: 3 };
  expect(draw(all, 5)).toEqual(draw(all, 5));
  expect(draw(all, 5)).not.toEqual(draw(all, 6));
});

test('a permutation holds every index once; every place is equally likely', () => {
  const trials = 8000;
  const places = new Uint32Array(8);
  for (let seed = 0; seed < trials; seed++) {
    const order = permutation(8, randomStream(3, seed));
    expect([...order].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    places[order.indexOf(0)] = (places[order.indexOf(0)] as number) + 1;
  }
  for (const count of places) expect(withinFiveDeviations(count, trials, 1 / 8)).toBe(true);
});

test('normal numbers have mean 0 and variance 1, and a quarter of them lies beyond 1.15', () => {
  const random = randomStream(9);
  const count = 50_000;
  const values = Float64Array.from({ length: count }, () => random.normal());
  const mean = values.reduce((a, b) => a + b) / count;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / count;
  expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(count));
  expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
  const beyond = values.filter((v) => Math.abs(v) > 1.1503493803760079).length;
  expect(withinFiveDeviations(beyond, count, 0.25)).toBe(true);
});
