/** The naive interpreter, which every lowering is compared with, is itself compared with PyTorch. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { writeModelFile } from '../../src/network/model-file.ts';
import { folderWith } from '../data/crafted.ts';
import { testWithPython } from '../python.ts';
import { randomImages, randomModel, variants } from './random-model.ts';
import { reference, relativeError } from './reference.ts';

const IMAGES = 2;

testWithPython(['torch', 'numpy'], 'PyTorch gives the same logits for every variant', async (python) => {
  const models = Object.values(variants).map((changes) => randomModel(changes));
  const images = models.map(({ config }) => randomImages(config, IMAGES));
  const files = models.flatMap((model, i) => [
    [`${i}.safetensors`, writeModelFile(model)] as const,
    [`${i}.u8`, images[i] as Uint8Array] as const,
  ]);
  const folder = await folderWith(Object.fromEntries(files));
  execFileSync(python, [fileURLToPath(new URL('pytorch_reference.py', import.meta.url)), folder], { stdio: 'pipe' });
  for (const [i, model] of models.entries()) {
    const expected = new Float32Array((await readFile(join(folder, `${i}.f32`))).slice().buffer);
    const got = reference(model, images[i] as Uint8Array, IMAGES).get('logits') as Float64Array;
    expect(relativeError(got, expected), Object.keys(variants)[i]).toBeLessThan(1e-6);
  }
});
