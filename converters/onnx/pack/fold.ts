/**
 * Computes the standard operators between stored tensors and a layer: those that quantize weights, and those that
 * exporters write around them. Each is computed in double precision and rounded once to its type.
 */
import { f16round } from '@petamoriken/float16';
import { DataType, type NodeProto } from '../../../proto/onnx.ts';
import { elements } from '../../../src/formats/shape.ts';
import { unpackSigns } from '../../../src/network/sign.ts';
import { roundHalfToEven } from '../forms/int8/quantization.ts';
import { DOMAIN } from '../forms/packed.ts';
import { QUANTIZER_DOMAINS } from '../forms/qonnx.ts';
import { attribute } from '../nodes.ts';
import { arrayOf, FLOATS, type TypedValues } from '../stored.ts';
import { commonShape, forEachBroadcast, type Values } from './broadcast.ts';

export interface Folded extends TypedValues {
  /** Computed from packed bits. */
  readonly unpacked?: boolean;
}

/** An input that is left out is undefined. */
type Inputs = readonly (Folded | undefined)[];
/**
 * Undefined for uses of the operator that are not supported here.
 * @param output which of several values is wanted
 * @param stored bytes of the stored tensors that the inputs are computed from
 */
type Fold = (inputs: Inputs, node: NodeProto, output: number, stored?: number) => Folded | undefined;

/** The fold of an operator. Maps, because an operator may have any name, even `__proto__`. */
export function foldOf({ domain, op_type }: NodeProto): Fold | undefined {
  if (domain && domain !== 'ai.onnx') return quantizers.get(`${domain}::${op_type}`);
  return op_type === 'Split' ? split : firstOf(standard.get(op_type ?? ''));
}

/** Other outputs than the first are masks and indices, which make no weights. */
function firstOf(fold: Fold | undefined): Fold | undefined {
  return fold && ((inputs, node, output, stored) => (output === 0 ? fold(inputs, node, output, stored) : undefined));
}

/** Integer ranges of the types; beyond them, a runtime's overflow would have to be copied. */
const ranges = new Map<number, readonly [number, number]>([
  [DataType.INT4, [-8, 7]],
  [DataType.UINT4, [0, 15]],
  [DataType.INT8, [-128, 127]],
  [DataType.UINT8, [0, 255]],
  [DataType.INT16, [-(2 ** 15), 2 ** 15 - 1]],
  [DataType.UINT16, [0, 2 ** 16 - 1]],
  [DataType.INT32, [-(2 ** 31), 2 ** 31 - 1]],
  [DataType.INT64, [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]],
  [DataType.BOOL, [0, 1]],
]);

/** Largest result of an operator that makes more values than it reads; a damaged file could ask for any amount of memory. */
const MAX_GROWN = 2 ** 20;

function mayHold(dims: readonly number[], inputs: Inputs): boolean {
  const count = elements(dims);
  const largest = inputs.reduce((most, input) => Math.max(most, input?.data.length ?? 0), MAX_GROWN);
  return dims.every((size) => Number.isSafeInteger(size) && size >= 0) && count <= largest;
}

/** Rounded to the nearest number of the type, ties to even. */
function rounded(type: number, value: number): number {
  if (type === DataType.FLOAT16) return f16round(value);
  if (type !== DataType.BFLOAT16) return value; // the array rounds
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  const [word = 0] = bits;
  bits[0] = Number.isNaN(value) ? word : (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(bits.buffer)[0] as number;
}

/** A value of that type; undefined when an integer exceeds it. */
function typed(type: number, dims: readonly number[], values: ArrayLike<number>): Folded | undefined {
  const range = ranges.get(type);
  if (!range && !FLOATS.has(type)) return undefined;
  const data = arrayOf(type, values.length);
  for (let i = 0; i < data.length; i++) {
    const value = values[i] as number;
    if (range && !(Number.isInteger(value) && value >= range[0] && value <= range[1])) return undefined;
    data[i] = rounded(type, value);
  }
  return { type, dims, data };
}

/** The common type of all inputs. */
function common(inputs: Inputs): number | undefined {
  const [first] = inputs;
  return first && inputs.every((input) => input?.type === first.type) ? first.type : undefined;
}

function elementwise(
  f: (a: number, b: number, c: number, type: number) => number,
  typeOf: (inputs: readonly Folded[]) => number | undefined = common,
): Fold {
  return (inputs) => {
    if (inputs.some((input) => !input)) return undefined;
    const given = inputs as readonly Folded[];
    const dims = commonShape(given);
    const type = typeOf(given);
    if (!dims || type === undefined) return undefined;
    const values = FLOATS.has(type) && type !== DataType.DOUBLE ? new Float32Array(elements(dims)) : new Float64Array(elements(dims));
    const [a, b, c] = [given[0]?.data ?? [], given[1]?.data ?? [], given[2]?.data ?? []];
    const operand = given[0]?.type ?? type;
    forEachBroadcast(dims, given, (index, [i = 0, j = 0, k = 0]) => {
      values[index] = f(a[i] as number, b[j] as number, c[k] as number, operand);
    });
    return typed(type, dims, values);
  };
}

const compares = (inputs: readonly Folded[]) => (common(inputs) === undefined ? undefined : DataType.BOOL);
const floatsOnly = (inputs: Inputs) => {
  const type = common(inputs);
  return type !== undefined && FLOATS.has(type) ? type : undefined;
};
const ofFloats = (f: (x: number, y: number, z: number) => number): Fold => elementwise(f, floatsOnly);

/** An operator with any number of operands, applied two at a time. */
function variadic(f: (a: number, b: number) => number): Fold {
  const pair = elementwise(f);
  return ([first, ...rest], node) => rest.reduce((sum: Folded | undefined, next) => sum && next && pair([sum, next], node, 0), first);
}

/** Integers from an input, or from an attribute in older operator sets. */
function integers(input: Folded | undefined, node: NodeProto, name: string): number[] | undefined {
  return input ? Array.from(input.data) : attribute(node, name)?.ints?.map(Number);
}

function intOf(node: NodeProto, name: string, otherwise: number): number {
  return Number(attribute(node, name)?.i ?? otherwise);
}

/** Axes counted from the front; undefined when one is out of range or occurs twice. */
function axesOf(axes: readonly number[], rank: number): number[] | undefined {
  const counted = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  const fits = counted.every((axis) => Number.isInteger(axis) && axis >= 0 && axis < rank);
  return fits && new Set(counted).size === counted.length ? counted : undefined;
}

/**
 * The scale of binary-weight networks is often the mean of |W| per channel. It is summed as float64 and rounded once:
 * runtimes sum as float32 in different orders and differ in the last bits.
 */
function reduce(
  start: number,
  add: (sum: number, x: number) => number,
  finish: (sum: number, count: number) => number = (sum) => sum,
): Fold {
  return ([x, axesInput], node) => {
    if (!x) return undefined;
    const rank = x.dims.length;
    const given = axesOf(integers(axesInput, node, 'axes') ?? [], rank);
    if (!given) return undefined;
    if (given.length === 0 && intOf(node, 'noop_with_empty_axes', 0) !== 0) return x;
    const axes = new Set(given.length > 0 ? given : x.dims.keys());
    const kept = x.dims.map((size, axis) => (axes.has(axis) ? 1 : size));
    const sums = new Float64Array(elements(kept)).fill(start);
    forEachBroadcast(x.dims, [{ dims: kept, data: sums }], (index, [at = 0]) => {
      sums[at] = add(sums[at] as number, x.data[index] as number);
    });
    const count = x.data.length / sums.length;
    const dims = intOf(node, 'keepdims', 1) !== 0 ? kept : x.dims.filter((_, axis) => !axes.has(axis));
    return typed(
      x.type,
      dims,
      sums.map((sum) => finish(sum, count)),
    );
  };
}

const reshaped = (x: Folded, dims: readonly number[]): Folded | undefined =>
  dims.every((size) => Number.isSafeInteger(size) && size >= 0) && elements(dims) === x.data.length ? { ...x, dims } : undefined;

const standard = new Map<string, Fold>(
  Object.entries({
    Sign: elementwise((x) => Math.sign(x)),
    Neg: elementwise((x) => -x),
    Abs: elementwise(Math.abs),
    Mul: elementwise((x, y) => x * y),
    Div: elementwise((x, y, _, type) => (FLOATS.has(type) ? x / y : Math.trunc(x / y))),
    Add: elementwise((x, y) => x + y),
    Sub: elementwise((x, y) => x - y),
    Max: variadic(Math.max),
    Min: variadic(Math.min),
    Sum: variadic((x, y) => x + y),
    Pow: elementwise(
      (x, y) => x ** y,
      ([x]) => x?.type,
    ),
    Log: ofFloats(Math.log),
    Exp: ofFloats(Math.exp),
    Sqrt: ofFloats(Math.sqrt),
    Reciprocal: ofFloats((x) => 1 / x),
    Round: ofFloats(roundHalfToEven),
    Floor: ofFloats(Math.floor),
    Ceil: ofFloats(Math.ceil),
    Tanh: ofFloats(Math.tanh),
    Sigmoid: ofFloats((x) => 1 / (1 + Math.exp(-x))),
    Softplus: ofFloats((x) => Math.log1p(Math.exp(x))),
    Relu: elementwise((x) => Math.max(0, x)),
    HardSigmoid(inputs, node) {
      const [alpha, beta] = [attribute(node, 'alpha')?.f ?? Math.fround(0.2), attribute(node, 'beta')?.f ?? 0.5];
      return ofFloats((x) => Math.max(0, Math.min(1, alpha * x + beta)))(inputs, node, 0);
    },
    Greater: elementwise((x, y) => Number(x > y), compares),
    GreaterOrEqual: elementwise((x, y) => Number(x >= y), compares),
    Less: elementwise((x, y) => Number(x < y), compares),
    LessOrEqual: elementwise((x, y) => Number(x <= y), compares),
    Equal: elementwise((x, y) => Number(x === y), compares),
    Not: elementwise((x) => Number(!x)),
    And: elementwise((x, y) => Number(x && y)),
    Or: elementwise((x, y) => Number(x || y)),
    /** Bounds are inputs, or attributes before operator set 11; a missing one is no limit. */
    Clip([x, low, high], node) {
      const bound = (input: Folded | undefined, name: string, otherwise: number) => input?.data[0] ?? attribute(node, name)?.f ?? otherwise;
      const [least, most] = [bound(low, 'min', Number.NEGATIVE_INFINITY), bound(high, 'max', Number.POSITIVE_INFINITY)];
      return x && elementwise((value) => Math.min(Math.max(value, least), most))([x], node, 0);
    },
    Where: elementwise(
      (condition, x, y) => (condition ? x : y),
      ([, ...branches]) => common(branches),
    ),
    Identity: ([x]) => x,
    Dropout: ([x, , training]) => (training?.data[0] ? undefined : x),
    Cast: ([x], node) => x && cast(x, intOf(node, 'to', DataType.UNDEFINED)),
    CastLike: ([x, like]) => x && like && cast(x, like.type),
    ReduceMean: reduce(
      0,
      (sum, x) => sum + x,
      (sum, count) => sum / count,
    ),
    ReduceSum: reduce(0, (sum, x) => sum + x),
    ReduceL1: reduce(0, (sum, x) => sum + Math.abs(x)),
    ReduceL2: reduce(0, (sum, x) => sum + x * x, Math.sqrt),
    ReduceSumSquare: reduce(0, (sum, x) => sum + x * x),
    ReduceMax: reduce(Number.NEGATIVE_INFINITY, Math.max),
    ReduceMin: reduce(Number.POSITIVE_INFINITY, Math.min),
    ReduceProd: reduce(1, (product, x) => product * x),
    Transpose([x], node) {
      if (!x) return undefined;
      const stated = attribute(node, 'perm')?.ints?.map(Number);
      const perm = stated?.length ? stated : x.dims.map((_, i) => x.dims.length - 1 - i);
      const isPermutation = [...perm].sort((a, b) => a - b).join() === x.dims.map((_, i) => i).join();
      return isPermutation ? { type: x.type, ...transpose(x, x.type, perm) } : undefined;
    },
    Reshape([x, shape], node) {
      if (!x || !shape) return undefined;
      const keepsZero = intOf(node, 'allowzero', 0) !== 0;
      const sizes = Array.from(shape.data, (size, i) => (size === 0 && !keepsZero ? (x.dims[i] ?? Number.NaN) : size));
      const rest = elements(sizes.filter((size) => size !== -1));
      return reshaped(
        x,
        sizes.map((size) => (size === -1 ? x.data.length / rest : size)),
      );
    },
    Flatten([x], node) {
      if (!x) return undefined;
      const axis = intOf(node, 'axis', 1);
      const at = axis < 0 ? axis + x.dims.length : axis;
      return reshaped(x, [elements(x.dims.slice(0, at)), elements(x.dims.slice(at))]);
    },
    Squeeze([x, axesInput], node) {
      if (!x) return undefined;
      const given = integers(axesInput, node, 'axes');
      const axes = given ? axesOf(given, x.dims.length) : x.dims.flatMap((size, axis) => (size === 1 ? [axis] : []));
      return axes?.every((axis) => x.dims[axis] === 1)
        ? reshaped(
            x,
            x.dims.filter((_, axis) => !axes.includes(axis)),
          )
        : undefined;
    },
    Unsqueeze([x, axesInput], node) {
      const given = integers(axesInput, node, 'axes');
      const axes = x && given && axesOf(given, x.dims.length + given.length);
      if (!x || !axes) return undefined;
      const dims = [...x.dims];
      for (const axis of [...axes].sort((a, b) => a - b)) dims.splice(axis, 0, 1);
      return reshaped(x, dims);
    },
    Shape([x], node) {
      if (!x) return undefined;
      const end = attribute(node, 'end')?.i;
      return vector(x.dims.slice(intOf(node, 'start', 0), end == null ? undefined : Number(end)));
    },
    Size: ([x]) => x && typed(DataType.INT64, [], [x.data.length]),
    Concat(inputs, node, _, stored = 0) {
      const [first] = inputs;
      const type = common(inputs);
      const [axis] = (first && axesOf([intOf(node, 'axis', 0)], first.dims.length)) ?? [];
      if (!first || type === undefined || axis === undefined) return undefined;
      const parts = inputs as readonly Folded[];
      const rest = (dims: readonly number[]) => dims.map((size, i) => (i === axis ? 0 : size)).join();
      if (parts.some(({ dims }) => rest(dims) !== rest(first.dims))) return undefined;
      const dims = first.dims.map((size, i) => (i === axis ? parts.reduce((sum, part) => sum + (part.dims[axis] as number), 0) : size));
      if (elements(dims) > Math.max(MAX_GROWN, 8 * stored)) return undefined; // a chain that joins a value with itself doubles it each time
      const data = arrayOf(type, elements(dims));
      const outer = elements(dims.slice(0, axis));
      for (let row = 0, at = 0; row < outer; row++)
        for (const part of parts) {
          const length = part.data.length / outer;
          for (let i = 0; i < length; i++, at++) data[at] = part.data[row * length + i] as number;
        }
      return { type, dims, data };
    },
    Expand([x, shape], node) {
      if (!x || !shape) return undefined;
      const sizes = Array.from(shape.data);
      const rank = Math.max(sizes.length, x.dims.length);
      const from = (dims: readonly number[], i: number) => dims[i - rank + dims.length] ?? 1;
      const dims = Array.from({ length: rank }, (_, i) => Math.max(from(x.dims, i), from(sizes, i)));
      if (!mayHold(dims, [x])) return undefined;
      return elementwise(
        (value) => value,
        ([value]) => value?.type,
      )([x, { type: x.type, dims, data: arrayOf(x.type, elements(dims)) }], node, 0);
    },
    ConstantOfShape([shape], node) {
      const dims = Array.from(shape?.data ?? []);
      const value = attribute(node, 'value')?.t;
      if (!shape || !mayHold(dims, []) || (value && value.data_type !== DataType.FLOAT)) return undefined;
      const raw = value?.raw_data;
      const fill = raw?.length ? new DataView(raw.buffer, raw.byteOffset, raw.length).getFloat32(0, true) : (value?.float_data?.[0] ?? 0);
      return typed(DataType.FLOAT, dims, new Float32Array(elements(dims)).fill(fill));
    },
    Gather([table, index], node) {
      if (!table || !index || (index.type !== DataType.INT32 && index.type !== DataType.INT64)) return undefined;
      return lookUpSigns(table, index, node) ?? gather(table, index, node);
    },
    Slice(inputs, node) {
      const [x, starts, ends, axesInput, steps] = inputs;
      const [from, to] = [integers(starts, node, 'starts'), integers(ends, node, 'ends')];
      const axes = x && axesOf(integers(axesInput, node, 'axes') ?? from?.map((_, i) => i) ?? [], x.dims.length);
      if (!x || !from || !to || !axes || to.length !== from.length || axes.length !== from.length || steps?.data.length === 0)
        return undefined;
      if (steps && Array.from(steps.data).some((step) => step !== 1)) return undefined;
      const clamp = (at: number, size: number) => Math.min(size, Math.max(0, at < 0 ? at + size : at));
      const bounds = x.dims.map((size, axis): Range => {
        const k = axes.indexOf(axis);
        return k < 0 ? [0, size] : [clamp(from[k] as number, size), clamp(to[k] as number, size)];
      });
      return crop(x, bounds);
    },
    Tile([x, repeats]) {
      const times = Array.from(repeats?.data ?? []);
      const dims = x?.dims.map((size, axis) => size * (times[axis] ?? Number.NaN)) ?? [];
      if (!x || times.length !== x.dims.length || !mayHold(dims, [x])) return undefined;
      const data = arrayOf(x.type, elements(dims));
      const strides = x.dims.map((_, axis) => elements(x.dims.slice(axis + 1)));
      for (let i = 0; i < data.length; i++) {
        let [rest, at] = [i, 0];
        for (let axis = dims.length - 1; axis >= 0; axis--) {
          const size = dims[axis] as number;
          at += ((rest % size) % (x.dims[axis] as number)) * (strides[axis] as number);
          rest = Math.floor(rest / size);
        }
        data[i] = x.data[at] as number;
      }
      return { type: x.type, dims, data };
    },
    DequantizeLinear([x, scale, zero], node) {
      if (!x || !scale || !FLOATS.has(scale.type)) return undefined;
      const spread = spreadOver(x, node);
      const [by, from] = [spread(scale), zero && spread(zero)];
      if (!by || (zero && !from)) return undefined;
      return typed(
        scale.type,
        x.dims,
        Float64Array.from(x.data, (q, i) => (q - (from ? from(i) : 0)) * by(i)),
      );
    },
    QuantizeLinear([x, scale, zero], node) {
      if (!x || !scale) return undefined;
      const type = zero?.type ?? DataType.UINT8;
      const spread = spreadOver(x, node);
      const [by, from, range] = [spread(scale), zero ? spread(zero) : () => 0, ranges.get(type)];
      if (!by || !from || !range) return undefined;
      const level = (value: number, i: number) => roundHalfToEven(Math.fround(value / by(i))) + from(i);
      return typed(
        type,
        x.dims,
        Float64Array.from(x.data, (value, i) => Math.max(range[0], Math.min(range[1], level(value, i)))),
      );
    },
  } satisfies Record<string, Fold>),
);

type Range = readonly [start: number, end: number];

/** The values between two indices of each axis. */
function crop(x: Folded, bounds: readonly Range[]): Folded {
  const dims = bounds.map(([start, end]) => Math.max(0, end - start));
  const strides = x.dims.map((_, axis) => elements(x.dims.slice(axis + 1)));
  const data = arrayOf(x.type, elements(dims));
  for (let i = 0; i < data.length; i++) {
    let [rest, at] = [i, 0];
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const size = dims[axis] as number;
      at += ((rest % size) + (bounds[axis]?.[0] ?? 0)) * (strides[axis] as number);
      rest = Math.floor(rest / size);
    }
    data[i] = x.data[at] as number;
  }
  return { type: x.type, dims, data };
}

/** In parts of the stated sizes, or in equal parts, of which the last may be smaller. */
function split([x, sizesInput]: Inputs, node: NodeProto, output: number): Folded | undefined {
  const [axis] = (x && axesOf([intOf(node, 'axis', 0)], x.dims.length)) ?? [];
  if (!x || axis === undefined) return undefined;
  const size = x.dims[axis] as number;
  const sizes = integers(sizesInput, node, 'split');
  const each = Math.ceil(size / (node.output?.length ?? 1));
  const start = sizes ? sizes.slice(0, output).reduce((sum, part) => sum + part, 0) : each * output;
  const end = sizes ? start + (sizes[output] ?? Number.NaN) : Math.min(size, start + each);
  if (!(start >= 0 && end > start && end <= size)) return undefined;
  return crop(
    x,
    x.dims.map((length, i): Range => (i === axis ? [start, end] : [0, length])),
  );
}

/** How a scale or zero point of QuantizeLinear applies to a tensor: one in all, one per index of an axis, or one per block along it. */
function spreadOver(x: Values, node: NodeProto): (by: Values) => ((i: number) => number) | undefined {
  return ({ dims, data }) => {
    if (data.length === 1) return () => data[0] as number;
    const [axis] = axesOf([intOf(node, 'axis', 1)], x.dims.length) ?? [];
    if (axis === undefined) return undefined;
    const size = x.dims[axis] as number;
    const inner = elements(x.dims.slice(axis + 1));
    if (dims.length === 1 && dims[0] === size) return (i) => data[Math.floor(i / inner) % size] as number;
    const block = intOf(node, 'block_size', 0);
    const blocks = x.dims.map((length, i) => (i === axis ? length / block : length));
    if (block === 0 || dims.join() !== blocks.join()) return undefined;
    const inRow = size / block;
    return (i) => {
      const [row, at] = [Math.floor(i / (inner * size)), Math.floor(i / inner) % size];
      return data[(row * inRow + Math.floor(at / block)) * inner + (i % inner)] as number;
    };
  };
}

const vector = (values: readonly number[]) => typed(DataType.INT64, [values.length], values);

function cast(x: Folded, to: number): Folded | undefined {
  if (to === DataType.BOOL)
    return typed(
      to,
      x.dims,
      Float64Array.from(x.data, (value) => Number(value !== 0)),
    );
  const whole = ranges.has(to) && FLOATS.has(x.type);
  return typed(to, x.dims, whole ? Float64Array.from(x.data, Math.trunc) : x.data);
}

/** Only for tables of two values by bits, and indices that are not signs themselves, or each of a chain would be 8 times its index. */
function lookUpSigns(table: Folded, index: Folded, node: NodeProto): Folded | undefined {
  const isSmall = table.type === DataType.INT8 || table.type === DataType.UINT8;
  if (index.unpacked || intOf(node, 'axis', 0) !== 0 || !isSmall || table.dims.join() !== '256,8') return undefined;
  const [low, high] = [table.data[0] as number, table.data[2047] as number];
  const levelOf = (isSet: number) => (isSet ? high : low);
  for (let i = 0; i < 2048; i++) if (table.data[i] !== levelOf((i >> 3) & (0x80 >> (i & 7)))) return undefined;
  const bytes = Uint8Array.from(index.data);
  if (low === high || bytes.some((byte, i) => byte !== index.data[i])) return undefined;
  const data = arrayOf(table.type, 8 * bytes.length);
  for (let i = 0; i < data.length; i++) data[i] = levelOf((bytes[i >> 3] as number) & (0x80 >> (i & 7)));
  return { type: table.type, dims: [...index.dims, 8], data, unpacked: true };
}

function gather(x: Folded, index: Folded, node: NodeProto): Folded | undefined {
  const [axis] = axesOf([intOf(node, 'axis', 0)], x.dims.length) ?? [];
  if (axis === undefined) return undefined;
  const size = x.dims[axis] as number;
  const rows = Array.from(index.data, (i) => (i < 0 ? i + size : i));
  const dims = [...x.dims.slice(0, axis), ...index.dims, ...x.dims.slice(axis + 1)];
  if (!mayHold(dims, [x]) || !rows.every((row) => row >= 0 && row < size)) return undefined;
  const inner = elements(x.dims.slice(axis + 1));
  const outer = elements(x.dims.slice(0, axis));
  const data = arrayOf(x.type, elements(dims));
  for (let o = 0, at = 0; o < outer; o++)
    for (const row of rows) for (let i = 0; i < inner; i++, at++) data[at] = x.data[(o * size + row) * inner + i] as number;
  return { type: x.type, dims, data };
}

/** Levels of a number of bits, half to even; one bit with a sign is -1 or 1 (qonnx, docs/qonnx-custom-ops/intquant_v1.md). */
function integerQuant([x, scale, zero, bits]: Inputs, node: NodeProto): Folded | undefined {
  const mode = new TextDecoder().decode(attribute(node, 'rounding_mode')?.s ?? new Uint8Array()).toUpperCase() || 'ROUND';
  if (!x || !scale || !zero || bits?.data.length !== 1 || (mode !== 'ROUND' && mode !== 'HALF_EVEN')) return undefined;
  const [signed, narrow] = [intOf(node, 'signed', 1) !== 0, intOf(node, 'narrow', 1) !== 0];
  const levels = 2 ** ((bits.data[0] as number) - Number(signed));
  const lowest = signed ? -levels + Number(narrow) : 0;
  const highest = levels - 1 - Number(narrow && !signed);
  const level = (at: number) => (signed && levels === 1 ? (at >= 0 ? 1 : -1) : roundHalfToEven(Math.max(lowest, Math.min(highest, at))));
  return ofFloats((value, by, from) => (level(Math.fround(Math.fround(value / by) + from)) - from) * by)([x, scale, zero], node, 0);
}

const quantizers = new Map<string, Fold>([
  ...QUANTIZER_DOMAINS.flatMap((domain): [string, Fold][] => [
    [`${domain}::BipolarQuant`, ofFloats((x, scale) => (x >= 0 ? scale : -scale))],
    [`${domain}::Quant`, integerQuant],
    [`${domain}::IntQuant`, integerQuant],
  ]),
  [`${DOMAIN}::Scale`, ofFloats((x, scale) => x * scale)],
  [
    `${DOMAIN}::UnpackSign`,
    ([bits, shape]) => {
      const dims = Array.from(shape?.data ?? []);
      const count = elements(dims);
      if (!bits || bits.unpacked || bits.type !== DataType.UINT8 || !dims.every((d) => Number.isSafeInteger(d) && d >= 0)) return undefined;
      if (Math.ceil(count / 8) !== bits.data.length) return undefined;
      return { type: DataType.FLOAT, dims, data: unpackSigns(Uint8Array.from(bits.data), count), unpacked: true };
    },
  ],
]);

function transpose({ dims, data }: Values, type: number, perm: readonly number[]): Values {
  const strides = dims.map((_, axis) => elements(dims.slice(axis + 1)));
  const turned = perm.map((axis) => dims[axis] as number);
  const steps = perm.map((axis) => strides[axis] as number);
  const result = arrayOf(type, data.length);
  const position = turned.map(() => 0);
  let at = 0;
  for (let index = 0; index < result.length; index++) {
    result[index] = data[at] as number;
    for (let axis = turned.length - 1; axis >= 0; axis--) {
      const next = (position[axis] as number) + 1;
      position[axis] = next === turned[axis] ? 0 : next;
      at += next === turned[axis] ? -(steps[axis] as number) * (next - 1) : (steps[axis] as number);
      if (next !== turned[axis]) break;
    }
  }
  return { dims: turned, data: result };
}
