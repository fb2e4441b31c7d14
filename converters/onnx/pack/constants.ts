/**
 * Values of a graph that do not depend on its inputs: stored tensors, and what the operators that quantize
 * weights make of them, computed as float32.
 */
import { DataType, type GraphProto, type NodeProto, type TensorProto } from '../../../proto/onnx.ts';
import { InputError } from '../../../src/errors.ts';
import { elements } from '../../../src/formats/shape.ts';
import { unpackSigns } from '../../../src/network/sign.ts';
import { localTensor, type ReadExternal } from '../external-data.ts';
import { DOMAIN } from '../forms/packed.ts';
import { QUANTIZER_DOMAINS } from '../forms/qonnx.ts';
import { signTable } from '../forms/unpack-signs.ts';
import { dimsOf, floatsOf, storedBytes, typeName } from '../initializer.ts';
import { attribute } from '../nodes.ts';
import { commonShape, forEachBroadcast, type Values } from './broadcast.ts';

export interface Constant extends Values {
  readonly kind: 'constant';
  /** ONNX data type. */
  readonly type: number;
  /** Bytes of the stored tensors that it is made of. */
  readonly bytes: number;
  /** Made from packed bits. */
  readonly unpacked: boolean;
}

/** A value that is not known; `reason` is missing when it depends on what the caller feeds. */
export interface Unknown {
  readonly kind: 'unknown';
  readonly reason?: string;
}

/** Most values between stored tensors and a layer: all of them are held at once, and a hostile file may ask for any number. */
const MAX_VALUES = 64;

export class Constants {
  readonly #tensors: ReadonlyMap<string, TensorProto>;
  readonly #producers: ReadonlyMap<string, NodeProto>;
  readonly #sparse: ReadonlySet<string>;
  /** What depends on values that a caller feeds. */
  readonly #fed: ReadonlySet<string>;
  /** Stored tensors that a caller may replace. */
  readonly #defaults: ReadonlySet<string>;
  readonly #read: ReadExternal | undefined;

  /** @param irVersion before 4, stored tensors stand among the inputs too; since then those are defaults that a caller may replace */
  constructor(graph: GraphProto, irVersion: number, read: ReadExternal | undefined) {
    this.#tensors = new Map((graph.initializer ?? []).map((tensor) => [tensor.name ?? '', tensor]));
    this.#producers = new Map((graph.node ?? []).flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
    this.#sparse = new Set((graph.sparse_initializer ?? []).map(({ values }) => values?.name ?? ''));
    const inputs = (graph.input ?? []).map(({ name }) => name ?? '');
    this.#defaults = new Set(irVersion < 4 ? [] : inputs.filter((name) => this.#tensors.has(name)));
    const fed = new Set(inputs.filter((name) => !this.#tensors.has(name)));
    // nodes stand in the order of execution
    for (const { input, output } of graph.node ?? [])
      if (input?.some((name) => fed.has(name))) for (const name of output ?? []) fed.add(name);
    this.#fed = fed;
    this.#read = read;
  }

  /**
   * Value of a name.
   * @throws InputError when a stored tensor is damaged
   */
  value(name: string): Constant | Unknown {
    const known = new Map<string, Constant | Unknown>();
    const value = this.#value(name, known);
    if (value.kind === 'unknown') return value;
    const bytes = [...known.values()].reduce((sum, each) => sum + (each.kind === 'constant' ? each.bytes : 0), 0);
    return { ...value, bytes };
  }

  #value(name: string, known: Map<string, Constant | Unknown>): Constant | Unknown {
    const found = known.get(name);
    if (found) return found;
    if (known.size >= MAX_VALUES) return unknown(`computed from more than ${MAX_VALUES} values`);
    known.set(name, unknown('computed in a circle'));
    const value = this.#compute(name, known);
    known.set(name, value);
    return value;
  }

  #compute(name: string, known: Map<string, Constant | Unknown>): Constant | Unknown {
    if (this.#fed.has(name)) return { kind: 'unknown' };
    if (this.#defaults.has(name)) return unknown('an input of the graph, which callers may replace');
    const tensor = this.#tensors.get(name);
    if (tensor) return stored(tensor, this.#read);
    if (this.#sparse.has(name)) return unknown('a sparse tensor');
    const node = this.#producers.get(name);
    if (!node) return { kind: 'unknown' };
    if (node.output?.length !== 1) return unknown(`one of several outputs of ${node.op_type}`);
    const isStandard = !node.domain || node.domain === 'ai.onnx';
    if (isStandard && node.op_type === 'Constant') {
      const value = attribute(node, 'value')?.t;
      return value ? stored({ ...value, name }, this.#read) : unknown('a constant that is no tensor');
    }
    if (node.input?.some((input) => !input)) return unknown(`computed by ${node.op_type} without an optional input`);
    const inputs = (node.input ?? []).map((input) => this.#value(input, known));
    if (inputs.some((input) => input.kind === 'unknown' && input.reason === undefined)) return { kind: 'unknown' };
    const why = inputs.find((input) => input.kind === 'unknown');
    if (why) return why;
    const constants = inputs as Constant[];
    const compute = isStandard ? standard.get(node.op_type ?? '') : quantizers.get(`${node.domain}::${node.op_type}`);
    const result = constants.length > 0 ? compute?.(constants, node) : undefined;
    if (!result) return constants.length > 0 ? unknown(`computed by ${node.op_type}`) : { kind: 'unknown' };
    const unpacked = (result.unpacked ?? false) || constants.some((c) => c.unpacked);
    return { kind: 'constant', ...result, bytes: 0, unpacked };
  }
}

type Result = Omit<Constant, 'kind' | 'bytes' | 'unpacked'> & { readonly unpacked?: boolean };
/** Undefined where the operator is used in a way that is not read here. */
type Compute = (inputs: readonly Constant[], node: NodeProto) => Result | undefined;

function computes(table: Readonly<Record<string, Compute>>): ReadonlyMap<string, Compute> {
  return new Map(Object.entries(table));
}

function unknown(reason: string): Unknown {
  return { kind: 'unknown', reason };
}

function elementwise(f: (a: number, b: number, c: number) => number, typeOf: (inputs: readonly Constant[]) => number | undefined): Compute {
  return (inputs) => {
    const dims = commonShape(inputs);
    const type = typeOf(inputs);
    if (!dims || type === undefined) return undefined;
    const data = type === DataType.FLOAT ? new Float32Array(elements(dims)) : new Float64Array(elements(dims));
    const [a, b, c] = [inputs[0]?.data ?? [], inputs[1]?.data ?? [], inputs[2]?.data ?? []];
    forEachBroadcast(dims, inputs, (index, [i = 0, j = 0, k = 0]) => {
      data[index] = f(a[i] as number, b[j] as number, c[k] as number);
    });
    return { type, dims, data };
  };
}

/** Arithmetic is done on float32 only: of integers, a runtime's overflow would have to be copied. */
const float = (inputs: readonly Constant[]) => (inputs.every(({ type }) => type === DataType.FLOAT) ? DataType.FLOAT : undefined);
const compare = () => DataType.BOOL;
const quantize: Compute = elementwise((x, scale) => (x >= 0 ? scale : -scale), float);

/**
 * The scale of binary-weight networks is often the mean of |W| of a channel. Summed as float64 and rounded once:
 * runtimes sum as float32, each in its own order, and differ from each other in the last bits.
 */
function reduce(term: (x: number) => number, finish: (sum: number, count: number) => number): Compute {
  return ([x, axesInput], node) => {
    if (!x || x.type !== DataType.FLOAT) return undefined;
    const given = axesInput ? Array.from(axesInput.data) : attribute(node, 'axes')?.ints?.map(Number);
    if (
      attribute(node, 'noop_with_empty_axes') ||
      (given && !given.every((axis) => Number.isInteger(axis) && Math.abs(axis) <= x.dims.length))
    )
      return undefined;
    const rank = x.dims.length;
    const axes = new Set(given?.length ? given.map((axis) => (axis < 0 ? axis + rank : axis)) : x.dims.keys());
    const kept = x.dims.map((size, axis) => (axes.has(axis) ? 1 : size));
    const sums = new Float64Array(elements(kept));
    forEachBroadcast(x.dims, [{ dims: kept, data: sums }], (index, [at = 0]) => {
      sums[at] = (sums[at] as number) + term(x.data[index] as number);
    });
    const count = x.data.length / sums.length;
    const keepsDims = Number(attribute(node, 'keepdims')?.i ?? 1) !== 0;
    const dims = keepsDims ? kept : x.dims.filter((_, axis) => !axes.has(axis));
    return { type: x.type, dims, data: Float32Array.from(sums, (sum) => finish(sum, count)) };
  };
}

/** By operator; maps, as an operator of a file may have any name, `__proto__` too. */
const standard = computes({
  Sign: elementwise((x) => Math.sign(x), float),
  Neg: elementwise((x) => -x, float),
  Abs: elementwise(Math.abs, float),
  Mul: elementwise((x, y) => x * y, float),
  Div: elementwise((x, y) => x / y, float),
  Add: elementwise((x, y) => x + y, float),
  Sub: elementwise((x, y) => x - y, float),
  Greater: elementwise((x, y) => Number(x > y), compare),
  GreaterOrEqual: elementwise((x, y) => Number(x >= y), compare),
  Less: elementwise((x, y) => Number(x < y), compare),
  LessOrEqual: elementwise((x, y) => Number(x <= y), compare),
  Equal: elementwise((x, y) => Number(x === y), compare),
  Not: elementwise((x) => Number(!x), compare),
  /** With both bounds: one that is left out has no value here. */
  Clip: elementwise(
    (x, low, high) => Math.min(Math.max(x, low), high),
    (inputs) => (inputs.length === 3 ? float(inputs) : undefined),
  ),
  Where: elementwise(
    (condition, x, y) => (condition ? x : y),
    ([, ...branches]) => float(branches),
  ),
  Identity: ([x]) => x,
  Cast([x], node) {
    const to = attribute(node, 'to')?.i;
    const isSmall = x && SMALL.has(x.type);
    if (Number(to) === DataType.FLOAT && x) return { type: DataType.FLOAT, dims: x.dims, data: Float32Array.from(x.data) };
    return Number(to) === DataType.INT32 && isSmall ? { ...x, type: DataType.INT32 } : undefined;
  },
  ReduceMean: reduce(
    (x) => x,
    (sum, count) => sum / count,
  ),
  ReduceSum: reduce(
    (x) => x,
    (sum) => sum,
  ),
  ReduceL1: reduce(Math.abs, (sum) => sum),
  Transpose([x], node) {
    if (!x) return undefined;
    const stated = attribute(node, 'perm')?.ints?.map(Number);
    const perm = stated ?? x.dims.map((_, i) => x.dims.length - 1 - i);
    const isPermutation = [...perm].sort((a, b) => a - b).join() === x.dims.map((_, i) => i).join();
    return isPermutation ? { type: x.type, ...transpose(x, perm) } : undefined;
  },
  Reshape([x, shape], node) {
    if (!x || !shape || Number(attribute(node, 'allowzero')?.i ?? 0)) return undefined;
    const sizes = Array.from(shape.data, (size, i) => (size === 0 ? (x.dims[i] ?? Number.NaN) : size));
    const rest = elements(sizes.filter((size) => size !== -1));
    const dims = sizes.map((size) => (size === -1 ? x.data.length / rest : size));
    return dims.every(Number.isSafeInteger) && elements(dims) === x.data.length ? { type: x.type, dims, data: x.data } : undefined;
  },
  /** Of the table of signs only, and by integers that are no signs themselves, or each of a chain would be 8 times its index. */
  Gather([table, index], node) {
    if (!table || !index || index.unpacked || (index.type !== DataType.INT32 && index.type !== DataType.INT64)) return undefined;
    if (Number(attribute(node, 'axis')?.i ?? 0) !== 0) return undefined;
    const signs = new Int8Array((signTable().raw_data as Uint8Array).buffer);
    if (table.type !== DataType.INT8 || table.dims.join() !== '256,8' || signs.some((sign, i) => sign !== table.data[i])) return undefined;
    const bytes = Uint8Array.from(index.data);
    if (bytes.some((byte, i) => byte !== index.data[i])) return undefined;
    const data = Int8Array.from(unpackSigns(bytes, 8 * bytes.length));
    return { type: DataType.INT8, dims: [...index.dims, 8], data, unpacked: true };
  },
  /** Of a row from its start, which leaves out what pads the last byte. */
  Slice([x, start, end, ...more]) {
    if (x?.dims.length !== 1 || start?.data.length !== 1 || start.data[0] !== 0 || end?.data.length !== 1 || more.length > 0)
      return undefined;
    const count = end.data[0] as number;
    if (count < 0 || count > x.data.length) return undefined;
    return { type: x.type, dims: [count], data: Array.prototype.slice.call(x.data, 0, count) };
  },
});

const quantizers = computes({
  ...Object.fromEntries(QUANTIZER_DOMAINS.map((domain) => [`${domain}::BipolarQuant`, quantize])),
  [`${DOMAIN}::Scale`]: elementwise((x, scale) => x * scale, float),
  [`${DOMAIN}::UnpackSign`]([bits, shape]) {
    const dims = Array.from(shape?.data ?? []);
    const count = elements(dims);
    if (!bits || bits.type !== DataType.UINT8 || !dims.every((d) => Number.isSafeInteger(d) && d >= 0)) return undefined;
    if (Math.ceil(count / 8) !== bits.data.length) return undefined;
    return { type: DataType.FLOAT, dims, data: unpackSigns(Uint8Array.from(bits.data), count), unpacked: true };
  },
});

function transpose({ dims, data }: Values, perm: readonly number[]): Values {
  const strides = dims.map((_, axis) => elements(dims.slice(axis + 1)));
  const turned = perm.map((axis) => dims[axis] as number);
  const steps = perm.map((axis) => strides[axis] as number);
  const result = data instanceof Float32Array ? new Float32Array(data.length) : new Float64Array(data.length);
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

/** Integer types of at most a byte, and how `raw_data` holds them. */
const SMALL = new Map<number, Uint8ArrayConstructor | Int8ArrayConstructor>([
  [DataType.UINT8, Uint8Array],
  [DataType.INT8, Int8Array],
  [DataType.BOOL, Uint8Array],
]);

function stored(tensor: TensorProto, read: ReadExternal | undefined): Constant | Unknown {
  const type = tensor.data_type ?? DataType.UNDEFINED;
  if (type !== DataType.FLOAT && type !== DataType.INT64 && !SMALL.has(type)) return unknown(`stored as ${typeName(type)}`);
  const local = localTensor(tensor, read);
  const dims = dimsOf(tensor);
  const data = type === DataType.FLOAT ? floatsOf(local) : integersOf(local, type);
  if (data.length !== elements(dims))
    throw new InputError('onnx', `tensor ${tensor.name}`, `expected ${elements(dims)} values, got ${data.length}`);
  return { kind: 'constant', type, dims, data, bytes: storedBytes(local), unpacked: false };
}

function integersOf({ raw_data: raw, int32_data, int64_data }: TensorProto, type: number): ArrayLike<number> {
  if (type === DataType.INT64) {
    if (!raw?.length) return (int64_data ?? []).map((value) => (typeof value === 'number' ? value : value.toNumber()));
    const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
    return Float64Array.from({ length: Math.floor(raw.length / 8) }, (_, i) => Number(view.getBigInt64(8 * i, true)));
  }
  const List = SMALL.get(type) ?? Uint8Array;
  return raw?.length ? new List(Uint8Array.from(raw).buffer) : List.from(int32_data ?? []);
}
