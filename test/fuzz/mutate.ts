/** Damages that readers meet: by accident, and made by somebody who knows the format. Each follows from a number alone. */

/** Lengths, counts and offsets that overflow, turn negative or ask for gigabytes. */
const LIES = [
  0n,
  1n,
  0x7fn,
  0xffffn,
  0x10000n,
  0x7fffffffn,
  0x80000000n,
  0xfffffff8n,
  0xffffffffn,
  2n ** 52n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];
/** What a text that is read as JSON or a number may say instead. */
const WORDS = [
  '-1',
  '0',
  '1e999',
  '1e-9',
  '99999999999999999999',
  'null',
  '[]',
  '{}',
  '""',
  'true',
  '"__proto__"',
  '"constructor"',
  'NaN',
  '\\ud800',
  '\0',
];

/** Numbers from 0 to below 1 that follow from `seed` (Mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A damaged copy of one of the files. */
export function mutant(seeds: readonly Uint8Array[], random: () => number): Uint8Array {
  const below = (n: number) => Math.floor(random() * n);
  const pick = <T>(list: readonly T[]) => list[below(list.length)] as T;
  /** Half of the damage at the start, where the headers are. */
  const place = (length: number) => (random() < 0.5 ? below(Math.min(length, 256)) : below(length));
  let bytes = Buffer.from(pick(seeds));
  const kinds: readonly (() => void)[] = [
    () => {
      const there = place(bytes.length);
      bytes[there] = (bytes[there] as number) ^ (1 << below(8));
    },
    () => void bytes.fill(pick([0, 0x7f, 0x80, 0xff]), place(bytes.length), place(bytes.length)),
    () => overwrite(bytes, place(bytes.length), pick(LIES), pick([1, 2, 4, 8]), random() < 0.5),
    () => {
      bytes = bytes.subarray(0, below(bytes.length + 1));
    },
    () => {
      const [from, to] = [place(bytes.length), place(bytes.length)];
      const piece = bytes.subarray(Math.min(from, to), Math.max(from, to)).subarray(0, 4096);
      const there = place(bytes.length);
      bytes = Buffer.concat([bytes.subarray(0, there), piece, bytes.subarray(there)]);
    },
    () => {
      const from = place(bytes.length);
      bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + 1 + below(64))]);
    },
    () => {
      const other = pick(seeds);
      bytes = Buffer.concat([bytes.subarray(0, place(bytes.length)), other.subarray(place(other.length))]);
    },
    () => {
      const text = bytes.toString('latin1');
      const tokens = [...text.matchAll(/"[^"\\]{0,40}"|-?\d[\d.e+-]{0,20}|true|null/g)].slice(0, 400);
      if (tokens.length === 0) return;
      const token = pick(tokens);
      bytes = Buffer.from(text.slice(0, token.index) + pick(WORDS) + text.slice(token.index + token[0].length), 'latin1');
    },
  ];
  for (let left = 1 + below(4); left > 0 && bytes.length > 0; left--) pick(kinds)();
  return bytes;
}

function overwrite(bytes: Buffer, at: number, value: bigint, size: number, littleEndian: boolean): void {
  for (let i = 0; i < size && at + i < bytes.length; i++)
    bytes[at + i] = Number((value >> BigInt(8 * (littleEndian ? i : size - 1 - i))) & 0xffn);
}
