/** Exports of brevitas, made here by brevitas itself: packed, and every weight and output the same in onnxruntime. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { packOnnx } from '../../converters/onnx/pack/pack.ts';
import { verifyPack } from '../../eval/verify/pack.ts';
import { folderWith } from '../data/crafted.ts';
import { testWithPython } from '../python.ts';

const script = fileURLToPath(new URL('brevitas_export.py', import.meta.url));

for (const name of ['weights', 'activations'])
  testWithPython(['brevitas', 'torch', 'onnx'], `one-bit ${name} of brevitas`, async (python) => {
    const folder = await folderWith();
    execFileSync(python, [script, folder, name], { stdio: 'pipe' });
    const [original, out] = [join(folder, `${name}.onnx`), join(folder, 'packed.onnx')];
    const { packed, kept, model } = packOnnx(readFileSync(original));
    expect([packed.length, kept]).toEqual([3, []]);
    writeFileSync(out, model);
    const { relError, weights } = await verifyPack(out, { original, packed });
    expect(weights).toEqual({ count: 3 * 32 * 9 + 8 * 32 * 9 + 512 * 10, difference: 0 });
    expect(relError).toBeLessThan(1e-6);
    expect(statSync(out).size).toBeLessThan(statSync(original).size / 3.5);
  });
