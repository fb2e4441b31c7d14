/** Exports of brevitas, made here by brevitas itself: packed, and every weight and output the same in onnxruntime. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { packOnnx } from '../../converters/onnx/pack/pack.ts';
import { verifyPack } from '../../eval/verify/pack.ts';
import { folderWith } from '../data/crafted.ts';
import { pythonWith } from '../python.ts';
import { type Environment, python, SET_UP_TIMEOUT } from './environment.ts';

const script = fileURLToPath(new URL('brevitas_export.py', import.meta.url));

const environment: Environment = {
  name: 'brevitas',
  packages: ['brevitas==0.10.2', 'onnx==1.16.2', 'onnxoptimizer==0.3.13', 'qonnx==0.4.0'],
  system: ['torch'],
};
const hasTorch = pythonWith('ensurepip', 'torch') !== undefined;

/** Of two small networks, and of topologies of the QONNX model zoo: number of layers and of weights, from their papers. */
const networks = [
  ['weights', 3, 3 * 32 * 9 + 8 * 32 * 9 + 512 * 10],
  ['activations', 3, 3 * 32 * 9 + 8 * 32 * 9 + 512 * 10],
  ['TFC_1W2A', 4, 784 * 64 + 2 * 64 * 64 + 64 * 10],
  ['CNV_1W1A', 9, 9 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256) + 256 * 512 + 512 * 512 + 512 * 10],
] as const;

test.skipIf(!hasTorch).each(networks)(
  `one-bit %s of brevitas${hasTorch ? '' : ' [needs PyTorch for python3]'}`,
  async (name, layers, count) => {
    const folder = await folderWith();
    execFileSync(await python(environment), [script, folder, name], { stdio: 'pipe' });
    const [original, out] = [join(folder, `${name}.onnx`), join(folder, 'packed.onnx')];
    const { packed, kept, model } = packOnnx(readFileSync(original));
    expect([packed.length, kept]).toEqual([layers, []]);
    writeFileSync(out, model);
    const { relError, weights } = await verifyPack(out, { original, packed });
    expect(weights).toEqual({ count, difference: 0 });
    expect(relError).toBeLessThan(1e-6);
    expect(statSync(out).size).toBeLessThan(statSync(original).size / 3.5);
  },
  SET_UP_TIMEOUT,
);
