/**
 * Python pickles, the part of protocols 2 to 5 that PyTorch writes. Nothing in the pickle is executed. A call of a global
 * on the allow-list runs the function given with it. Any other class or function becomes an Opaque that holds only its name.
 * Source: CPython, Lib/pickletools.py.
 */
import { InputError } from '../errors.ts';
import { type Cursor, latin1 } from './cursor.ts';

/** Python values: a dict is a Map, lists and tuples are arrays, None is null, an int beyond 2^53 is a bigint. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PickleValue[]
  | Map<PickleValue, PickleValue>
  | object;

export interface PickleOptions {
  /** The allow-list: `module.name`, and a function that returns the value of a call. */
  readonly globals: ReadonlyMap<string, (args: readonly PickleValue[]) => PickleValue>;
  /** Fills an object with its state. Without it, state is dropped: PyTorch stores module versions there. */
  build?(object: PickleValue, state: PickleValue): void;
  /** Return Python 2 strings, which can hold any bytes, as views into the file, without a length limit. */
  readonly rawStrings?: boolean;
  /** What to save instead of a pickle that cannot be read. */
  readonly advice?: string;
  /** Returns the object of a persistent id. */
  persistent(id: PickleValue): PickleValue;
}

/** An object or global that is not on the allow-list: only its name, none of its content. */
export class Opaque {
  constructor(readonly name: string) {}
}

/**
 * Modules whose functions act on the machine. A hostile pickle calls one of them. We call nothing in any case, but the
 * error warns users who might load the file in Python.
 */
const ACTING_MODULES =
  /^(os|posix|nt|posixpath|ntpath|sys|builtins|__builtin__|subprocess|popen2|commands|pty|shutil|socket|ssl|http|urllib\d*|requests|ftplib|smtplib|webbrowser|importlib|imp|runpy|pkgutil|zipimport|code|codeop|pickle|_pickle|cPickle|cloudpickle|dill|joblib|marshal|types|ctypes|_ctypes|cffi|multiprocessing|threading|_thread|asyncio|concurrent|signal|tempfile|pip|ensurepip|site|venv|pdb|bdb|timeit|cProfile|profile|trace|doctest|distutils|setuptools|platform|operator|_operator|inspect|gc|resource|fcntl|mmap|io|_io)(\.|$)/;
/** Harmless functions in those modules: they build plain values. */
const PLAIN_VALUES =
  /^(builtins|__builtin__)\.(set|frozenset|list|dict|tuple|complex|slice|range|xrange|bytearray|bytes|object|int|long|float|str|unicode|bool|getattr)$|^types\.SimpleNamespace$/;

/** A global on the allow-list that is not called yet. */
export class Global {
  constructor(
    readonly name: string,
    readonly call: (args: readonly PickleValue[]) => PickleValue,
  ) {}
}

class Mark {}

const MAX_PROTOCOL = 5;
/** A training checkpoint of 1200 layers has 200,000. Each operation can turn one byte into an object of up to 200 bytes. */
const MAX_OPERATIONS = 1_000_000;
/** Text is a parameter name, a global or a note of a training run. */
const MAX_TEXT_BYTES = 1 << 20;
const MAX_INTEGER_BYTES = 1024;

/**
 * Decodes one pickle and leaves the cursor after it.
 * @throws InputError at the first opcode or global that is not allowed
 */
export function readPickle(cursor: Cursor, options: PickleOptions): PickleValue {
  return new Machine(cursor, options).run();
}

class Machine {
  readonly #stack: (PickleValue | Mark)[] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(
    readonly cursor: Cursor,
    readonly options: PickleOptions,
  ) {}

  run(): PickleValue {
    for (let count = 0; count < MAX_OPERATIONS; count++) {
      const opcode = String.fromCharCode(this.cursor.uint8());
      if (opcode === '.') return this.#pop();
      const operation = operations[opcode];
      if (!operation) throw this.#unreadable(`expected an opcode for tensors or plain values, got ${JSON.stringify(opcode)}`);
      operation(this);
    }
    throw this.cursor.error(`expected at most ${MAX_OPERATIONS} operations, got more`);
  }

  push(value: PickleValue | Mark): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    return this.#pop();
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value instanceof Mark) throw this.cursor.error('expected a value on the stack, got none');
    return value;
  }

  /** Removes and returns the values above the last mark, and removes the mark. */
  popMark(): PickleValue[] {
    const at = this.#stack.findLastIndex((value) => value instanceof Mark);
    if (at < 0) throw this.cursor.error('expected a mark on the stack, got none');
    return this.#stack.splice(at).slice(1) as PickleValue[];
  }

  remember(index: number): void {
    this.#memo.set(index, this.top());
  }

  memoize(): void {
    this.remember(this.#memo.size);
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.cursor.error(`expected memo ${index} to be set, got nothing`);
    this.push(value);
  }

  global(module: string, name: string): void {
    const full = `${module}.${name}`;
    const call = this.options.globals.get(full);
    this.push(call ? new Global(full, call) : new Opaque(full.replace(/[^\x20-\x7e]/g, '?').slice(0, 80)));
  }

  /** Calls a global on the allow-list. For any other class or function, keeps only the name. */
  call(callable: PickleValue, args: PickleValue): void {
    if (!Array.isArray(args)) throw this.cursor.error(`expected call arguments, got ${describeValue(args)}`);
    if (callable instanceof Global) this.push(callable.call(args));
    else if (!(callable instanceof Opaque)) throw this.cursor.error('expected a call of a function, got something else');
    else if (ACTING_MODULES.test(callable.name) && !PLAIN_VALUES.test(callable.name))
      throw this.cursor.error(
        `expected only tensors and plain values, got a call of ${callable.name}. Python would run this code: do not load the file in Python`,
      );
    else this.push(new Opaque(callable.name));
  }

  line(): string {
    const { bytes, offset } = this.cursor;
    const end = bytes.indexOf('\n'.charCodeAt(0), offset);
    if (end < 0) throw this.cursor.error('expected a line, got the end of the file');
    const text = latin1(this.bytesOfText(end - offset));
    this.cursor.take(1);
    return text;
  }

  /** Bytes of a short integer. The limit exists because decoding time grows with the square of the length. */
  bytesOfNumber(length: number): Uint8Array {
    if (length > MAX_INTEGER_BYTES) throw this.cursor.error(`expected an integer of at most ${MAX_INTEGER_BYTES} bytes, got ${length}`);
    return this.cursor.take(length, 'an integer');
  }

  bytesOfText(length: number): Uint8Array {
    if (length > MAX_TEXT_BYTES) throw this.cursor.error(`expected at most ${MAX_TEXT_BYTES} bytes of text, got ${length}`);
    return this.cursor.take(length, 'text');
  }

  text(length: number): string {
    return new TextDecoder().decode(this.bytesOfText(length));
  }

  #unreadable(problem: string): InputError {
    const { advice } = this.options;
    return this.cursor.error(advice === undefined ? problem : `${problem}. ${advice}`);
  }

  #pop(): PickleValue {
    const value = this.top();
    this.#stack.pop();
    return value;
  }
}

const operations: Readonly<Record<string, (m: Machine) => void>> = {
  '\x80': (m) => {
    const protocol = m.cursor.uint8();
    if (protocol > MAX_PROTOCOL) throw m.cursor.error(`expected a protocol of at most ${MAX_PROTOCOL}, got ${protocol}`);
  },
  '\x95': (m) => void m.cursor.uint64(),
  N: (m) => m.push(null),
  '\x88': (m) => m.push(true),
  '\x89': (m) => m.push(false),
  K: (m) => m.push(m.cursor.uint8()),
  M: (m) => m.push(m.cursor.uint16()),
  J: (m) => m.push(m.cursor.int32()),
  '\x8a': (m) => m.push(readLong(m.cursor.take(m.cursor.uint8(), 'an integer'))),
  '\x8b': (m) => m.push(readLong(m.bytesOfNumber(m.cursor.uint32()))),
  G: (m) => {
    m.cursor.littleEndian = false; // the only big-endian number in the format
    m.push(m.cursor.float64());
    m.cursor.littleEndian = true;
  },
  X: (m) => m.push(m.text(m.cursor.uint32())),
  '\x8c': (m) => m.push(m.text(m.cursor.uint8())),
  '\x8d': (m) => m.push(m.text(m.cursor.uint64())),
  T: (m) => pushString(m, m.cursor.uint32()),
  U: (m) => pushString(m, m.cursor.uint8()),
  B: (m) => m.push(m.cursor.take(m.cursor.uint32(), 'bytes')),
  C: (m) => m.push(m.cursor.take(m.cursor.uint8(), 'bytes')),
  '\x8e': (m) => m.push(m.cursor.take(m.cursor.uint64(), 'bytes')),
  '\x96': (m) => m.push(m.cursor.take(m.cursor.uint64(), 'bytes')),
  '}': (m) => m.push(new Map()),
  ']': (m) => m.push([]),
  '\x8f': (m) => m.push([]), // a set
  ')': (m) => m.push([]),
  '(': (m) => m.push(new Mark()),
  t: (m) => m.push(m.popMark()),
  l: (m) => m.push(m.popMark()),
  '\x91': (m) => m.push(m.popMark()), // a frozen set
  d: (m) => {
    const items = m.popMark();
    m.push(new Map());
    setItems(m, items);
  },
  '\x85': (m) => m.push([m.pop()]),
  '\x86': (m) => pushTuple(m, 2),
  '\x87': (m) => pushTuple(m, 3),
  a: (m) => {
    const value = m.pop();
    append(m, [value]);
  },
  e: (m) => append(m, m.popMark()),
  '\x90': (m) => append(m, m.popMark()),
  s: (m) => {
    const [value, key] = [m.pop(), m.pop()];
    setItems(m, [key, value]);
  },
  u: (m) => setItems(m, m.popMark()),
  c: (m) => m.global(m.line(), m.line()),
  '\x93': (m) => {
    const [name, module] = [m.pop(), m.pop()];
    if (typeof module !== 'string' || typeof name !== 'string') throw m.cursor.error('expected the name of a global, got something else');
    m.global(module, name);
  },
  R: (m) => {
    const [args, callable] = [m.pop(), m.pop()];
    m.call(callable, args);
  },
  '\x81': (m) => {
    const [args, callable] = [m.pop(), m.pop()];
    newObject(m, callable, args);
  },
  '\x92': (m) => {
    const [, args, callable] = [m.pop(), m.pop(), m.pop()];
    newObject(m, callable, args);
  },
  i: (m) => {
    m.global(m.line(), m.line());
    const callable = m.pop();
    m.call(callable, m.popMark());
  },
  o: (m) => {
    const [callable = null, ...args] = m.popMark();
    m.call(callable, args);
  },
  b: (m) => {
    const state = m.pop();
    m.options.build?.(m.top(), state);
  },
  Q: (m) => m.push(m.options.persistent(m.pop())),
  q: (m) => m.remember(m.cursor.uint8()),
  r: (m) => m.remember(m.cursor.uint32()),
  '\x94': (m) => m.memoize(),
  h: (m) => m.recall(m.cursor.uint8()),
  j: (m) => m.recall(m.cursor.uint32()),
  '0': (m) => void m.pop(),
  '1': (m) => void m.popMark(),
  '2': (m) => m.push(m.top()),
};

function pushTuple(m: Machine, length: number): void {
  m.push(Array.from({ length }, () => m.pop()).reverse());
}

/** A Python 2 string. */
function pushString(m: Machine, length: number): void {
  m.push(m.options.rawStrings ? m.cursor.take(length, 'a string') : latin1(m.bytesOfText(length)));
}

/** A class instance made without a call. Classes on the allow-list are plain values, which pickle never builds this way. */
function newObject(m: Machine, callable: PickleValue, args: PickleValue): void {
  if (callable instanceof Global) throw m.cursor.error(`expected a call of ${callable.name}, got a new object`);
  m.call(callable, args);
}

function append(m: Machine, values: readonly PickleValue[]): void {
  const list = m.top();
  if (list instanceof Opaque) return;
  if (!Array.isArray(list)) throw m.cursor.error('expected a list to append to, got something else');
  for (const value of values) list.push(value);
}

function setItems(m: Machine, items: readonly PickleValue[]): void {
  const map = m.top();
  if (map instanceof Opaque) return;
  if (!(map instanceof Map) || items.length % 2 !== 0) throw m.cursor.error('expected a dict and pairs, got something else');
  for (let i = 0; i < items.length; i += 2) map.set(items[i] as PickleValue, items[i + 1] as PickleValue);
}

/** A little-endian two's complement integer. */
function readLong(bytes: Uint8Array): number | bigint {
  let value = 0n;
  for (const [i, byte] of bytes.entries()) value |= BigInt(byte) << BigInt(8 * i);
  const signed = BigInt.asIntN(8 * bytes.length, value);
  return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
}

/** Short description of an unexpected value, for errors. */
export function describeValue(value: PickleValue | undefined): string {
  if (value instanceof Map) return 'a dict';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Opaque || value instanceof Global) return value.name;
  return value === null || value === undefined ? 'nothing' : `a ${typeof value}`;
}

/** The error for an unexpected value in a pickle. */
export function unexpected(format: string, where: string, expected: string, got: PickleValue | undefined): InputError {
  return new InputError(format, where, `expected ${expected}, got ${describeValue(got)}`);
}
