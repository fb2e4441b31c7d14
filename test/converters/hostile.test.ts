/** Damaged and lying files of every kind: a model, or a typed error; no hang, no memory beyond a bound, nothing polluted. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { readModel } from '../../converters/read.ts';
import { InputError } from '../../src/errors.ts';
import { Cursor } from '../../src/formats/cursor.ts';
import { readPickle } from '../../src/formats/pickle.ts';
import { readTorch, TorchTensor } from '../../src/formats/torch.ts';
import { writeModelFile } from '../../src/network/model-file.ts';
import { matFile } from '../formats/mat5-file.ts';
import { torchLegacy, torchZip } from '../formats/torch-file.ts';
import { randomModel, variants } from '../network/random-model.ts';
import { kerasVariables, matlabVariables, torchState } from './foreign-files.ts';

/** Every read below takes a few kilobytes: what the whole file may add to the memory of this process. */
const MAX_GROWTH_BYTES = 400 * 2 ** 20;
const before = process.resourceUsage().maxRSS;
const prototype = Object.getOwnPropertyNames(Object.prototype);

const tiny = (variant: string) =>
  randomModel({ ...variants[variant], input: { channels: 3, height: 32, width: 32 }, width: 1 / 16, classes: 3 });
const checkpoint = (packed: boolean) => torchState(tiny('pytorch'), { packed });

const files: Readonly<Record<string, Uint8Array>> = {
  keras: matFile(kerasVariables(tiny('keras'))),
  'keras, compressed': matFile(kerasVariables(tiny('keras')), { compressed: true }),
  'keras, big-endian': matFile(kerasVariables(tiny('keras')), { littleEndian: false }),
  matlab: matFile(matlabVariables(tiny('matlab'))),
  'matlab, compressed': matFile(matlabVariables(tiny('matlab')), { compressed: true }),
  'matlab-plain': matFile(matlabVariables(tiny('matlab plain'))),
  'pytorch, packed, archive': torchZip(checkpoint(true)),
  'pytorch, packed, stream': torchLegacy(checkpoint(true)),
  'pytorch, latent, stream': torchLegacy(new Map([['state_dict', checkpoint(false)]])),
  'model file': writeModelFile(tiny('keras')),
};

/** Small files that other programs wrote and that hold no network. */
const fixtures = ['scipy.mat', 'torch-1.13-zip.pt', 'torch-1.13-legacy.pt', 'torch-2.15-zip.pt'].map(
  (name) => [name, readFileSync(new URL(`../formats/fixtures/${name}`, import.meta.url))] as const,
);

/** The tensors that a file gives; undefined when it is refused as it should be. */
function attempt(bytes: Uint8Array): unknown {
  try {
    return readModel(bytes).tensors;
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toMatch(/^.{1,300}: (expected|no) .*/);
    return undefined;
  }
}

function damaged(bytes: Uint8Array, changes: readonly (readonly [at: number, value: Uint8Array])[]): Uint8Array {
  const copy = bytes.slice();
  for (const [at, value] of changes) copy.set(value.subarray(0, copy.length - at), at);
  return copy;
}

const word = (value: bigint, size: 4 | 8, littleEndian: boolean) => {
  const bytes = Buffer.alloc(8);
  if (littleEndian) bytes.writeBigUInt64LE(value);
  else bytes.writeBigUInt64BE(value);
  return bytes.subarray(littleEndian ? 0 : 8 - size, littleEndian ? size : 8);
};
/** Lengths, counts and offsets that overflow, turn negative or ask for gigabytes. */
const lies = [
  0n,
  1n,
  0x10000n,
  0x7fffffffn,
  0x80000000n,
  0xfffffff8n,
  0xffffffffn,
  2n ** 31n + 8n,
  2n ** 52n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

describe.each([...Object.entries(files), ...fixtures])('%s', (name, bytes) => {
  const intact = attempt(bytes);
  const place = fc.nat(bytes.length - 1);

  test('is whole', () => {
    expect(intact !== undefined).toBe(name in files);
  });

  test('cut at every byte', () => {
    const step = Math.ceil(bytes.length / 2500);
    for (let length = 0; length < bytes.length; length += step) {
      const read = attempt(bytes.subarray(0, length));
      if (read !== undefined) expect(read).toEqual(intact); // what is cut is padding
    }
  });

  test('flipped bits', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(place, fc.nat(7)), { minLength: 1, maxLength: 4 }), (flips) => {
        attempt(
          damaged(
            bytes,
            flips.map(([at, bit]) => [at, Uint8Array.of((bytes[at] as number) ^ (1 << bit))]),
          ),
        );
      }),
      { numRuns: 400 },
    );
  });

  test('lying numbers', () => {
    const lie = fc.record({
      at: place,
      value: fc.constantFrom(...lies),
      size: fc.constantFrom(4 as const, 8 as const),
      littleEndian: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(lie, { minLength: 1, maxLength: 2 }), (changes) => {
        attempt(
          damaged(
            bytes,
            changes.map(({ at, value, size, littleEndian }) => [at, word(BigInt.asUintN(8 * size, value), size, littleEndian)]),
          ),
        );
      }),
      { numRuns: 800 },
    );
  });

  test('pieces moved, doubled and cut out', () => {
    fc.assert(
      fc.property(place, place, place, (from, to, end) => {
        attempt(Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, end), bytes.subarray(to)]));
        attempt(Buffer.concat([bytes.subarray(0, Math.min(from, to)), bytes.subarray(Math.max(from, to))]));
      }),
      { numRuns: 200 },
    );
  });
});

test('any bytes at all', () => {
  const starts = [...Object.values(files), ...fixtures.map(([, bytes]) => bytes)].map((bytes) => bytes.subarray(0, 136));
  fc.assert(
    fc.property(fc.constantFrom(...starts, new Uint8Array()), fc.nat(136), fc.uint8Array({ maxLength: 200 }), (start, length, rest) => {
      attempt(Buffer.concat([start.subarray(0, length), rest]));
    }),
    { numRuns: 1000 },
  );
});

test('any program of a pickle', () => {
  const piece = fc.oneof(
    ...['N', '\x88', '}', ']', ')', '(', 't', 'l', '\x85', '\x86', '\x87', 'a', 'e', 's', 'u', '\x93', 'R', 'b', 'Q', '\x94', '0', '.'].map(
      (opcode) => fc.constant(Buffer.from(opcode, 'latin1')),
    ),
    fc
      .constantFrom('K', 'q', 'h', '\x80', 'U', 'C', '\x8c', '\x8a')
      .chain((opcode) =>
        fc
          .nat(3)
          .map((value) => Buffer.concat([Buffer.from(opcode, 'latin1'), Buffer.of(value), Buffer.alloc(opcode > 'R' ? value : 0, 'a')])),
      ),
    fc
      .constantFrom(
        'collections OrderedDict',
        'torch FloatStorage',
        'torch._utils _rebuild_tensor_v2',
        'os system',
        '__proto__ constructor',
      )
      .map((name) => Buffer.from(`c${name.replace(' ', '\n')}\n`)),
    fc
      .constantFrom('storage', '__proto__', 'constructor', '0')
      .map((text) => Buffer.concat([Buffer.from([0x8c, text.length]), Buffer.from(text)])),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const program = Buffer.concat([...pieces, Buffer.from('.')]);
      try {
        readPickle(new Cursor(program, 'pickle'), {
          globals: new Map([['collections.OrderedDict', () => new Map()]]),
          persistent: () => null,
        });
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
      }
      const stream = torchLegacy(null);
      const at = stream.indexOf(Buffer.from('\x80\x02N.', 'latin1'));
      attempt(Buffer.concat([stream.subarray(0, at), program, stream.subarray(at + 4)]));
    }),
    { numRuns: 3000 },
  );
});

test('damaged tensors give their values or an error', () => {
  for (const [name, bytes] of fixtures.filter(([name]) => name.includes('legacy'))) {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        try {
          const state = (readTorch(damaged(bytes, [[at, Uint8Array.of(value)]])) as Map<unknown, unknown>).get?.('state_dict');
          if (state instanceof Map)
            for (const tensor of state.values()) if (tensor instanceof TorchTensor) expect(tensor.values().length).toBeLessThan(10);
        } catch (error) {
          expect(error, name).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 2000 },
    );
  }
});

afterAll(() => {
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(prototype);
  expect({}).not.toHaveProperty('polluted');
  expect((process.resourceUsage().maxRSS - before) * 1024).toBeLessThan(MAX_GROWTH_BYTES);
});
