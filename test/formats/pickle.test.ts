import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { Cursor } from '../../src/formats/cursor.ts';
import { Opaque, type PickleValue, readPickle } from '../../src/formats/pickle.ts';
import { readTorch } from '../../src/formats/torch.ts';
import { testWithPython } from '../python.ts';

/** Reads a pickle written one character a byte; the one allowed global returns its arguments in a Map. */
function read(bytes: string | Uint8Array): PickleValue {
  return readPickle(new Cursor(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, 'pickle'), {
    globals: new Map([['allowed.function', (args) => new Map([['called with', args]])]]),
    persistent: (id) => ({ id }),
  });
}

describe('opcodes, as pickletools describes them', () => {
  test.each<[string, string, PickleValue]>([
    ['None', 'N.', null],
    ['True', '\x88.', true],
    ['False', '\x89.', false],
    ['one byte', 'K\xff.', 255],
    ['two bytes', 'M\xff\xfe.', 0xfeff],
    ['four bytes, signed', 'J\xfe\xff\xff\xff.', -2],
    ['no bytes', '\x8a\x00.', 0],
    ['a long', '\x8a\x02\x7f\xff.', -129],
    ['a long beyond 2^53', '\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.', -(2n ** 63n)],
    ['a float', 'G\x3f\xf8\x00\x00\x00\x00\x00\x00.', 1.5],
    ['UTF-8', 'X\x03\x00\x00\x00\xc3\xa9!.', 'é!'],
    ['short UTF-8', '\x8c\x01a.', 'a'],
    ['long UTF-8', '\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.', 'a'],
    ["Python 2's text", 'U\x01\xe9.', 'é'],
    ["Python 2's long text", 'T\x01\x00\x00\x00a.', 'a'],
    ['bytes', 'C\x02\x00\xff.', Uint8Array.of(0, 255)],
    ['long bytes', 'B\x02\x00\x00\x00\x00\xff.', Uint8Array.of(0, 255)],
    ['protocol and frame', '\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00N.', null],
    ['tuples', ')K\x01\x85K\x01K\x02\x86\x87.', [[], [1], [1, 2]]],
    ['a tuple of three', 'K\x01K\x02K\x03\x87.', [1, 2, 3]],
    ['a tuple from a mark', '(K\x01K\x02K\x03K\x04t.', [1, 2, 3, 4]],
    ['a list from a mark', '(K\x01l.', [1]],
    ['append', ']K\x01a.', [1]],
    ['appends', '](K\x01K\x02e.', [1, 2]],
    ['an item', '}U\x01aK\x01s.', new Map([['a', 1]])],
    [
      'items',
      '}(U\x01aK\x01K\x02Nu.',
      new Map<PickleValue, PickleValue>([
        ['a', 1],
        [2, null],
      ]),
    ],
    ['pop', 'K\x01K\x020.', 1],
    ['put and get', '(K\x01q\x05h\x05r\x07\x00\x00\x00j\x07\x00\x00\x00t.', [1, 1, 1]],
    ['a dict from a mark', '(U\x01aK\x01d.', new Map([['a', 1]])],
    ['a set', '\x8f(K\x01K\x02\x90.', [1, 2]],
    ['a frozen set', '(K\x01\x91.', [1]],
    ['bytes of protocol 5', '\x96\x01\x00\x00\x00\x00\x00\x00\x00a.', Uint8Array.of(97)],
    ['bytes of protocol 4', '\x8e\x01\x00\x00\x00\x00\x00\x00\x00a.', Uint8Array.of(97)],
    ['a long of many bytes', '\x8b\x02\x00\x00\x00\x7f\xff.', -129],
    ['twice', '(K\x012t.', [1, 1]],
    ['pop to a mark', 'K\x01(K\x02K\x031.', 1],
    ['memoize', '(K\x01\x94K\x02\x94h\x00t.', [1, 2, 1]],
    ['a persistent id', 'K\x07Q.', { id: 7 }],
    ['a call', 'callowed\nfunction\nK\x01\x85R.', new Map([['called with', [1]]])],
    ['a call of protocol 4', '\x8c\x07allowed\x8c\x08function\x93)R.', new Map([['called with', []]])],
    ['attributes are dropped', 'callowed\nfunction\n)R}U\x01aK\x01sb.', new Map([['called with', []]])],
  ])('%s', (_, bytes, value) => {
    expect(read(bytes)).toEqual(value);
  });

  test('a value that is used twice is one value', () => {
    const [first, second] = read('](]q\x00h\x00e.') as PickleValue[];
    expect(first).toBe(second);
  });
});

testWithPython(['pickle'], 'what Python writes in protocols 2 to 5', (python) => {
  const script = `import pickle, collections
value = {'none': None, 'yes': True, 'ints': [0, 255, 65535, -1, 2**31, -2**31, 2**40, -2**62], 'floats': (0.1, -1e300),
  'text': 'naïve ' * 60, 1: (), 'nested': [[], {}, (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]}
value['again'] = value['ints']
for protocol in range(2, 6): print(pickle.dumps(value, protocol).hex())`;
  const ints = [0, 255, 65535, -1, 2 ** 31, -(2 ** 31), 2 ** 40, -(2n ** 62n)];
  const expected = new Map<PickleValue, PickleValue>([
    ['none', null],
    ['yes', true],
    ['ints', ints],
    ['floats', [0.1, -1e300]],
    ['text', 'naïve '.repeat(60)],
    [1, []],
    ['nested', [[], new Map(), [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]],
    ['again', ints],
  ]);
  const pickles = execFileSync(python, ['-c', script], { encoding: 'utf8' }).trim().split('\n');
  expect(pickles).toHaveLength(4);
  for (const hex of pickles) expect(read(Buffer.from(hex, 'hex'))).toEqual(expected);
});

describe('nothing is executed', () => {
  test.each([
    ['a function of the system', 'cposix\nsystem\nU\x04true\x85R.', 'posix.system'],
    ['the same in protocol 4', '\x8c\x05posix\x8c\x06system\x93U\x04true\x85R.', 'posix.system'],
    ['the same as a new object', 'cposix\nsystem\nU\x04true\x85\x81.', 'posix.system'],
    ['eval', 'c__builtin__\neval\nU\x01a\x85R.', '__builtin__.eval'],
    ['a process', 'csubprocess\nPopen\nU\x01a\x85R.', 'subprocess.Popen'],
  ])('%s', (_, bytes, name) => {
    expect(() => read(bytes)).toThrow(`got a call of ${name}. Python would run this code: do not load the file in Python`);
  });

  test.each([
    ['a class alone', 'cos\nsystem\n.', 'os.system'],
    ['a prototype', 'c__proto__\nconstructor\n.', '__proto__.constructor'],
    ['a name that would steer the terminal', 'c\x1b[2J\nx\n.', '?[2J.x'],
    ['a new object with attributes', 'cargparse\nNamespace\n)\x81}U\x05depthK\x0esb.', 'argparse.Namespace'],
    ['one with keywords', 'cm\nC\n)}\x92.', 'm.C'],
    ['the outcome of a call', 'cdatetime\ndatetime\nC\x01a\x85R.', 'datetime.datetime'],
    ['a dictionary of its own class', 'cm\nConfig\n)\x81}U\x01aK\x01sbU\x01bK\x02s.', 'm.Config'],
    ['a list of its own class', 'cm\nList\n)\x81(K\x01K\x02e.', 'm.List'],
    ['an instance', '(K\x01im\nC\n.', 'm.C'],
    ['an object', '(cm\nC\nK\x01o.', 'm.C'],
    ['a set of Python 2', 'c__builtin__\nset\n]K\x01a\x85R.', '__builtin__.set'],
  ])('%s stays a name', (_, bytes, name) => {
    expect(read(bytes)).toEqual(new Opaque(name));
  });

  test.each([
    ['instances', '(iposix\nsystem\n.'],
    ['objects', '(cposix\nsystem\no.'],
    ['new objects', 'callowed\nfunction\n)\x81.'],
    ['extensions', '\x82\x01.'],
    ['calling a value', 'U\x01a)R.'],
    ['calling without arguments', 'callowed\nfunction\nNR.'],
    ['a global whose name is no text', ']]\x93.'],
  ])('%s are refused', (_, bytes) => {
    expect(() => read(bytes)).toThrow(InputError);
  });

  test.each(['zip', 'legacy'])('a checkpoint that PyTorch wrote (%s) with a command in it', (layout) => {
    const bytes = readFileSync(new URL(`fixtures/evil-${layout}.pt`, import.meta.url));
    expect(() => readTorch(bytes)).toThrow(
      'expected only tensors and plain values, got a call of posix.system. Python would run this code',
    );
    expect(existsSync('executed-by-a-pickle')).toBe(false);
  });
});

describe('what is not a pickle', () => {
  test.each([
    ['nothing', '', 'pickle at byte 0: expected 1 bytes of data, got 0 left in the file'],
    ['protocol 6', '\x80\x06N.', 'expected a protocol of at most 5, got 6'],
    ['an empty stack', '.', 'expected a value on the stack, got none'],
    ['a mark as value', '(.', 'expected a value on the stack, got none'],
    ['no mark', 'Nt.', 'expected a mark on the stack, got none'],
    ['memo that was not set', 'h\x00.', 'expected memo 0 to be set, got nothing'],
    ['an odd number of items', '}(Nu.', 'expected a dict and pairs, got something else'],
    ['items of a list', '](NNu.', 'expected a dict and pairs, got something else'],
    ['appends to a dict', '}(Ne.', 'expected a list to append to, got something else'],
    ['a line without end', 'cposix', 'expected a line, got the end of the file'],
    ['text beyond the end', 'X\xff\xff\x00\x00a', 'expected 65535 bytes of text, got 1 left in the file'],
    ['text without end', 'X\xff\xff\xff\xffa', 'expected at most 1048576 bytes of text, got 4294967295'],
    ['an integer without end', '\x8b\xff\xff\xff\x7f', 'expected an integer of at most 1024 bytes, got 2147483647'],
    ['a length beyond 2^53', '\x8d\xff\xff\xff\xff\xff\xff\xff\xffa', 'expected a number below 2^53'],
  ])('%s', (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(message);
  });

  test('objects without end', () => {
    expect(() => read('}0'.repeat(500_001))).toThrow('expected at most 1000000 operations, got more');
  });

  test('a list that contains itself, nested without end, is not descended into', () => {
    expect(() => read(']q\x00h\x00ah\x00h\x00\x93.')).toThrow('expected the name of a global');
    expect(() => read(`${']'.repeat(200_000)}${'a'.repeat(199_999)}R.`)).toThrow(InputError);
  });
});

test('keys of a dict never reach a prototype', () => {
  const dict = read('}(U\x09__proto__}U\x08pollutedK\x01sU\x0bconstructorNu.') as Map<PickleValue, PickleValue>;
  expect([...dict.keys()]).toEqual(['__proto__', 'constructor']);
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect({}).not.toHaveProperty('polluted');
});
