/**
 * 3x3 convolutions whose weights are signs, by shared partial sums. A row of a kernel of two input channels is six signs,
 * and the six pixels under it have 64 sums +-x0 +-x1 ... +-x5. They are made once and looked up by all output channels,
 * and by the three output rows that see this input row: nine additions become one and a half. What is looked up is a
 * vector of neighbouring pixels, so that no lane depends on data. A channel has a table of 8 sums of its own where there
 * are few output channels, for which 64 do not pay, and where it has no partner.
 *
 * A tile is ROWS rows of output pixels, one vector wide. An entry of a table holds the same sum for every input row
 * under the tile, so that one index serves all rows of the tile: as many vectors side by side.
 */
import { GROUP, MANY, ROWS, SINGLES, TABLE_ENTRIES, VECTOR } from '../tile';
import * as w from '../words';
import { floatAt, wordAt } from './block';
import { finish, levels, pixelOf, quantized } from './epilogue';

/** Bytes of the tables of a group: an entry has a vector of each row under a tile, at most with stride 2. */
const TABLES: i32 = TABLE_ENTRIES * (3 + (ROWS - 1) * 2) * VECTOR;
/** Bytes of one output channel's sums, as they are added and as int32. */
const SUMS: i32 = ROWS * VECTOR;
const WIDE: i32 = 2 * SUMS;
/** Channels whose sums of uint8 - 128 fit into 16 bits: 28 * 9 * 128 = 32,256. */
const FITTING: i32 = 28;

/** Input rows under a tile: vectors of an entry of a table. */
@inline
function rowsUnder(stride: i32): i32 {
  return 3 + (ROWS - 1) * stride;
}

/** Place in an entry of input row i under a tile: with stride 2 the even rows stand first, so that those of one look-up are neighbours. */
@inline
function placeOf(i: i32, stride: i32): i32 {
  if (stride == 1) return i;
  return (i & 1) == 0 ? i >> 1 : ROWS + 1 + (i >> 1);
}

export function signsByte(block: usize, from: i32, to: i32, scratch: usize): void {
  signs<i16>(block, from, to, scratch);
}

export function signsFloat(block: usize, from: i32, to: i32, scratch: usize): void {
  signs<f32>(block, from, to, scratch);
}

/** T: what the lanes of a vector are while they are added. */
function signs<T>(block: usize, from: i32, to: i32, scratch: usize): void {
  const lanes = VECTOR / <i32>sizeof<T>(), size = isFloat<T>() ? 4 : 1;
  const channels = wordAt(block, w.CHANNELS), height = wordAt(block, w.HEIGHT), width = wordAt(block, w.WIDTH);
  const across = (width + lanes - 1) / lanes, places = across * ((height + ROWS - 1) / ROWS), parts = wordAt(block, w.PARTS);
  const stride = wordAt(block, w.STRIDE), row = wordAt(block, w.INPUT_ROW);
  const sums = scratch + TABLES, wide = sums + channels * SUMS;
  for (let tile = from; tile < to; tile++) {
    const part = tile % parts, place = (tile / parts) % places, image = tile / (parts * places);
    const first = (part * channels) / parts, last = ((part + 1) * channels) / parts;
    const y = (place / across) * ROWS, x = (place % across) * lanes;
    const input = wordAt(block, w.INPUT) + image * wordAt(block, w.INPUT_IMAGE) + stride * (y * row + x * size);
    sumTile<T>(block, input, first, last, scratch, sums, wide);
    const rows = min(ROWS, height - y), count = min(lanes, width - x);
    if (isFloat<T>()) {
      finish(block, image, first, last, y, x, rows, count, sums, SUMS, VECTOR, wordAt(block, w.SCALE));
    } else if (wordAt(block, w.DIRECT)) finishBytes(block, image, first, last, y, x, rows, count, wide);
    else {
      dequantize(block, first, last, wide);
      finish(block, image, first, last, y, x, rows, count, wide, WIDE, 2 * VECTOR, 0);
    }
  }
}

/** The sums of output channels `first` to `last` under the window at `input`, to `sums` (float32) or `wide` (int32). */
function sumTile<T>(block: usize, input: usize, first: i32, last: i32, tables: usize, sums: usize, wide: usize): void {
  const channels = wordAt(block, w.CHANNELS), inputs = wordAt(block, w.INPUT_CHANNELS);
  const stride = wordAt(block, w.STRIDE), row = wordAt(block, w.INPUT_ROW), plane = wordAt(block, w.INPUT_PLANE);
  const outputs = last - first, group = channels < MANY ? SINGLES : GROUP, entry = VECTOR * rowsUnder(stride);
  const perTable = channels < MANY ? 1 : 2, table = (perTable == 1 ? 8 : 64) * entry;
  const offsets: usize = wordAt(block, w.WEIGHTS);
  if (isInteger<T>()) startWide(offsets + 4 * first, outputs, wide);
  let indices = offsets + 4 * channels;
  for (let c = 0, held = 0; c < inputs; c += group) {
    const end = min(inputs, c + group), lookUps = 3 * ((end - c + perTable - 1) / perTable);
    for (let i = c, to = tables; i < end; i += perTable, to += table) {
      const at = input + i * plane;
      makeTable<T>(to, at, perTable == 2 && i + 1 < end ? at + plane : 0, row, stride);
    }
    const own = indices + 2 * lookUps * first;
    if (isFloat<T>()) {
      if (c == 0) startFloats(tables, own, lookUps, outputs, sums);
      else addFloats(tables, own, lookUps, outputs, sums);
    } else {
      const starts = held == 0;
      held += group;
      if (end == inputs || held + group > FITTING) {
        held = 0;
        if (starts) startAndWiden(tables, own, lookUps, outputs, sums, wide);
        else addAndWiden(tables, own, lookUps, outputs, sums, wide);
      } else if (starts) startSums(tables, own, lookUps, outputs, sums);
      else addSums(tables, own, lookUps, outputs, sums);
    }
    indices += 2 * lookUps * channels;
  }
}

/** int32 sums begin with what the pixels' -128 take away. */
function startWide(offsets: usize, outputs: i32, wide: usize): void {
  for (const end = offsets + 4 * outputs; offsets < end; offsets += 4, wide += WIDE) {
    const offset = v128.load32_splat(offsets);
    for (let i: usize = 0; i < <usize>WIDE; i += VECTOR) v128.store(wide + i, offset);
  }
}

/** The sums of the pixels of a channel at `first` and, if it is not 0, of one at `second`, for each row under a tile. */
function makeTable<T>(table: usize, first: usize, second: usize, row: usize, stride: i32): void {
  // The stride as a type: offsets inside of an entry are constants then.
  if (stride == 1) fillTable<T, u8>(table, first, second, row);
  else fillTable<T, u16>(table, first, second, row);
}

/** S: a type of as many bytes as the stride has pixels. */
@inline
function fillTable<T, S>(table: usize, first: usize, second: usize, row: usize): void {
  const stride = <i32>sizeof<S>();
  for (let i = 0; i < rowsUnder(stride); i++, first += row) {
    const to = table + VECTOR * placeOf(i, stride);
    const a = pixels<T>(first, stride, 0), b = pixels<T>(first, stride, 1), c = pixels<T>(first, stride, 2);
    const plus = v128.add<T>(a, b), minus = v128.sub<T>(a, b);
    // Bit k of the index says that pixel k is added; all signs turned, the sum turns its own.
    const t7 = v128.add<T>(plus, c), t5 = v128.add<T>(minus, c), t3 = v128.sub<T>(plus, c), t1 = v128.sub<T>(minus, c);
    const t0 = v128.neg<T>(t7), t2 = v128.neg<T>(t5), t4 = v128.neg<T>(t3), t6 = v128.neg<T>(t1);
    if (!second) {
      store8<S>(to, t0, t1, t2, t3, t4, t5, t6, t7);
    } else {
      const a = pixels<T>(second, stride, 0), b = pixels<T>(second, stride, 1), c = pixels<T>(second, stride, 2);
      const plus = v128.add<T>(a, b), minus = v128.sub<T>(a, b);
      both<T, S>(to, 7, v128.add<T>(plus, c), t0, t1, t2, t3, t4, t5, t6, t7);
      both<T, S>(to, 5, v128.add<T>(minus, c), t0, t1, t2, t3, t4, t5, t6, t7);
      both<T, S>(to, 3, v128.sub<T>(plus, c), t0, t1, t2, t3, t4, t5, t6, t7);
      both<T, S>(to, 1, v128.sub<T>(minus, c), t0, t1, t2, t3, t4, t5, t6, t7);
      second += row;
    }
  }
}

/** The entries whose second three pixels have the sum s, from entry 8 * k on, and those where it is -s. */
@inline
function both<T, S>(to: usize, k: usize, s: v128, t0: v128, t1: v128, t2: v128, t3: v128, t4: v128, t5: v128, t6: v128, t7: v128): void {
  store8<S>(
    to + 8 * k * entryOf<S>(), v128.add<T>(t0, s), v128.add<T>(t1, s), v128.add<T>(t2, s), v128.add<T>(t3, s),
    v128.add<T>(t4, s), v128.add<T>(t5, s), v128.add<T>(t6, s), v128.add<T>(t7, s),
  );
  store8<S>(
    to + 8 * (7 - k) * entryOf<S>(), v128.sub<T>(t0, s), v128.sub<T>(t1, s), v128.sub<T>(t2, s), v128.sub<T>(t3, s),
    v128.sub<T>(t4, s), v128.sub<T>(t5, s), v128.sub<T>(t6, s), v128.sub<T>(t7, s),
  );
}

/** Bytes of an entry. */
@inline
function entryOf<S>(): usize {
  return <usize>VECTOR * (3 + (ROWS - 1) * sizeof<S>());
}

/** Stores eight vectors, an entry apart. */
@inline
function store8<S>(to: usize, t0: v128, t1: v128, t2: v128, t3: v128, t4: v128, t5: v128, t6: v128, t7: v128): void {
  v128.store(to, t0);
  v128.store(to, t1, VECTOR * (3 + (ROWS - 1) * sizeof<S>()));
  v128.store(to, t2, 2 * VECTOR * (3 + (ROWS - 1) * sizeof<S>()));
  v128.store(to, t3, 3 * VECTOR * (3 + (ROWS - 1) * sizeof<S>()));
  v128.store(to, t4, 4 * VECTOR * (3 + (ROWS - 1) * sizeof<S>()));
  v128.store(to, t5, 5 * VECTOR * (3 + (ROWS - 1) * sizeof<S>()));
  v128.store(to, t6, 6 * VECTOR * (3 + (ROWS - 1) * sizeof<S>()));
  v128.store(to, t7, 7 * VECTOR * (3 + (ROWS - 1) * sizeof<S>()));
}

/** Pixels k, k + stride, k + 2 * stride... as lanes; of uint8 as 16 bits, minus 128. */
@inline
export function pixels<T>(from: usize, stride: i32, k: usize): v128 {
  if (isFloat<T>()) {
    if (stride == 1) return v128.load(from + 4 * k);
    return v128.shuffle<f32>(v128.load(from + 4 * k), v128.load(from + 4 * k, 16), 0, 2, 4, 6);
  }
  const bytes = stride == 1 ? v128.load8x8_u(from + k) : v128.and(v128.load(from + k), i16x8.splat(255));
  return i16x8.sub(bytes, i16x8.splat(128));
}

function startSums(tables: usize, indices: usize, lookUps: i32, outputs: i32, sums: usize): void {
  lookUp<i16>(true, false, tables, indices, lookUps, outputs, sums, 0);
}
function addSums(tables: usize, indices: usize, lookUps: i32, outputs: i32, sums: usize): void {
  lookUp<i16>(false, false, tables, indices, lookUps, outputs, sums, 0);
}
function startAndWiden(tables: usize, indices: usize, lookUps: i32, outputs: i32, sums: usize, wide: usize): void {
  lookUp<i16>(true, true, tables, indices, lookUps, outputs, sums, wide);
}
function addAndWiden(tables: usize, indices: usize, lookUps: i32, outputs: i32, sums: usize, wide: usize): void {
  lookUp<i16>(false, true, tables, indices, lookUps, outputs, sums, wide);
}
function startFloats(tables: usize, indices: usize, lookUps: i32, outputs: i32, sums: usize): void {
  lookUp<f32>(true, false, tables, indices, lookUps, outputs, sums, 0);
}
function addFloats(tables: usize, indices: usize, lookUps: i32, outputs: i32, sums: usize): void {
  lookUp<f32>(false, false, tables, indices, lookUps, outputs, sums, 0);
}

/**
 * Adds the look-ups of a group of channels to the sums of each output channel: the loop where the time goes. `starts`: the
 * sums begin here; `widens`: they end here, and are added to int32 ones.
 */
@inline
function lookUp<T>(
  starts: bool, widens: bool, tables: usize, indices: usize, lookUps: i32, outputs: i32, sums: usize, wide: usize,
): void {
  for (const end = sums + outputs * SUMS; sums < end; sums += SUMS) {
    let r0 = i32x4.splat(0), r1 = r0, r2 = r0, r3 = r0, r4 = r0, r5 = r0, r6 = r0, r7 = r0;
    if (!starts) {
      r0 = v128.load(sums);
      r1 = v128.load(sums, 16);
      r2 = v128.load(sums, 32);
      r3 = v128.load(sums, 48);
      r4 = v128.load(sums, 64);
      r5 = v128.load(sums, 80);
      r6 = v128.load(sums, 96);
      r7 = v128.load(sums, 112);
    }
    const next = indices + 2 * lookUps;
    // One look-up a turn: engines load early and add late, and more of them at once than there are registers for.
    do {
      const entry = tables + load<u16>(indices);
      r0 = v128.add<T>(r0, v128.load(entry));
      r1 = v128.add<T>(r1, v128.load(entry, 16));
      r2 = v128.add<T>(r2, v128.load(entry, 32));
      r3 = v128.add<T>(r3, v128.load(entry, 48));
      r4 = v128.add<T>(r4, v128.load(entry, 64));
      r5 = v128.add<T>(r5, v128.load(entry, 80));
      r6 = v128.add<T>(r6, v128.load(entry, 96));
      r7 = v128.add<T>(r7, v128.load(entry, 112));
      indices += 2;
    } while (indices < next);
    if (widens) {
      widen(wide, r0);
      widen(wide + 32, r1);
      widen(wide + 64, r2);
      widen(wide + 96, r3);
      widen(wide + 128, r4);
      widen(wide + 160, r5);
      widen(wide + 192, r6);
      widen(wide + 224, r7);
      wide += WIDE;
    } else {
      v128.store(sums, r0);
      v128.store(sums, r1, 16);
      v128.store(sums, r2, 32);
      v128.store(sums, r3, 48);
      v128.store(sums, r4, 64);
      v128.store(sums, r5, 80);
      v128.store(sums, r6, 96);
      v128.store(sums, r7, 112);
    }
  }
}

/** Adds eight int16 to eight int32. */
@inline
function widen(wide: usize, sums: v128): void {
  v128.store(wide, i32x4.add(v128.load(wide), i32x4.extend_low_i16x8_s(sums)));
  v128.store(wide, i32x4.add(v128.load(wide, 16), i32x4.extend_high_i16x8_s(sums)), 16);
}

/** Four int32 sums in the scale of their 8-bit levels. */
@inline
function scaled(sums: v128, bias: v128, scale: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(sums, bias)), scale);
}

/** The levels of the tile's pixels as uint8 planes. */
function finishBytes(block: usize, image: i32, first: i32, last: i32, y: i32, x: i32, rows: i32, count: i32, wide: usize): void {
  const row: usize = wordAt(block, w.ACTIVE_ROW), plane: usize = wordAt(block, w.ACTIVE_PLANE);
  const scales = wordAt(block, w.SCALE), biases = wordAt(block, w.BIAS), zero = f32x4.splat(<f32>wordAt(block, w.ZERO));
  let to = pixelOf(block, w.ACTIVE, image, first, y, x);
  for (let o = first; o < last; o++, to += plane, wide += WIDE) {
    const scale = v128.load32_splat(scales + 4 * o), bias = v128.load32_splat(biases + 4 * o);
    let at = to, from = wide;
    for (let r = 0; r < rows; r++, at += row, from += 2 * VECTOR) {
      const low = quantized(scaled(v128.load(from), bias, scale), zero), high = quantized(scaled(v128.load(from, 16), bias, scale), zero);
      const words = i16x8.narrow_i32x4_u(low, high), bytes = i8x16.narrow_i16x8_u(words, words);
      if (count >= 8) v128.store64_lane(at, bytes, 0);
      else {
        let left = i64x2.extract_lane(bytes, 0);
        for (let i = 0; i < count; i++, left >>= 8) store<u8>(at + i, <u8>left);
      }
    }
  }
}

/** int32 sums become the real values that their 8-bit levels stand for, float32 in their place. */
function dequantize(block: usize, first: i32, last: i32, wide: usize): void {
  const zero = f32x4.splat(<f32>wordAt(block, w.ZERO)), step = f32x4.splat(floatAt(block, w.STEP));
  const scales = wordAt(block, w.SCALE), biases = wordAt(block, w.BIAS);
  for (let o = first; o < last; o++) {
    const scale = v128.load32_splat(scales + 4 * o), bias = v128.load32_splat(biases + 4 * o);
    for (const end = wide + WIDE; wide < end; wide += VECTOR) {
      const level = levels(scaled(v128.load(wide), bias, scale), zero);
      v128.store(wide, f32x4.mul(f32x4.sub(level, zero), step));
    }
  }
}
