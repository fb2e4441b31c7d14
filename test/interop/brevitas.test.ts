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

test.skipIf(!hasTorch).each(['weights', 'activations'])(
  `one-bit %s of brevitas${hasTorch ? '' : ' [needs PyTorch for python3]'}`,
  async (name) => {
    const folder = await folderWith();
    execFileSync(await python(environment), [script, folder, name], { stdio: 'pipe' });
    const [original, out] = [join(folder, `${name}.onnx`), join(folder, 'packed.onnx')];
    const { packed, kept, model } = packOnnx(readFileSync(original));
    expect([packed.length, kept]).toEqual([3, []]);
    writeFileSync(out, model);
    const { relError, weights } = await verifyPack(out, { original, packed });
    expect(weights).toEqual({ count: 3 * 32 * 9 + 8 * 32 * 9 + 512 * 10, difference: 0 });
    expect(relError).toBeLessThan(1e-6);
    expect(statSync(out).size).toBeLessThan(statSync(original).size / 3.5);
  },
  SET_UP_TIMEOUT,
);
