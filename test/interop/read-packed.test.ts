/** docs/format.md, proven by a reader in another language that was written from it. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { readModel } from '../../converters/read.ts';
import { elements } from '../../src/formats/shape.ts';
import type { Model } from '../../src/network/model.ts';
import { packSigns, unpackSigns } from '../../src/network/sign.ts';
import { randomModel, variants } from '../network/random-model.ts';
import { models, testWith } from '../shared.ts';
import { hasPython, runPython, SET_UP_TIMEOUT } from './environment.ts';

type Kernels = Record<string, { shape: number[]; scale: number[]; signs: string }>;

function kernelsOf(model: Model): Kernels {
  const kernels: Kernels = {};
  for (const [name, tensor] of model.tensors) {
    if (tensor.dtype !== 'bits') continue;
    const layer = name.replace('.kernel', '');
    const signs = Int8Array.from(unpackSigns(tensor.data, elements(tensor.shape)));
    const scale = [...(model.tensors.get(`${layer}.scale`)?.data ?? [])];
    kernels[layer] = { shape: [...tensor.shape], scale, signs: createHash('sha256').update(signs).digest('hex') };
  }
  return kernels;
}

async function readByPython(model: Model): Promise<Kernels> {
  const folder = await mkdtemp(join(tmpdir(), 'wrn-onnx-packed-'));
  try {
    await writeFile(join(folder, 'packed.onnx'), toOnnx(model, { form: 'packed', input: 'nchw-float' }));
    return await runPython('read_packed.py', join(folder, 'packed.onnx'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the example of the page', () => {
  expect([...packSigns([1, -1, -1, 1, 1, -1, 1, -1, 1])]).toEqual([0x9a, 0x80]);
});

describe.skipIf(!hasPython)('a reader in Python [needs Python 3.11 with venv]', () => {
  test.each([
    ['bits that fill no byte', variants['bits that fill no byte']],
    ['mean scale per channel', variants['mean scale per channel']],
    ['version 2', { width: 1 / 2 }],
  ])(
    '%s: every sign and scale',
    async (_, changes) => {
      const model = randomModel(changes);
      expect(await readByPython(model)).toEqual(kernelsOf(model));
    },
    SET_UP_TIMEOUT,
  );

  testWith(
    models.keras,
    "the author's network: every one of its 26,737,120 signs",
    async (path) => {
      const model = readModel(await readFile(path));
      const kernels = await readByPython(model);
      expect(kernels).toEqual(kernelsOf(model));
      expect(Object.values(kernels).reduce((sum, { shape }) => sum + elements(shape), 0)).toBe(26_737_120);
    },
    SET_UP_TIMEOUT,
  );
});
