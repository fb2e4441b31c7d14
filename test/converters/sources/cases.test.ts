/** Small files of kinds that people have, beside the project: each is read, with a note on what it does not contain. */
import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { openModel, readModel } from '../../../converters/read.ts';
import { testWith } from '../../shared.ts';

const size = 'the file does not contain the image size: assumed 32x32. Use --image-size HEIGHTxWIDTH to change it';
const bits = 'the file does not contain the bits per weight: assumed 1. Use --dialect pytorch-float for 32 bits';

for (const [name, dialect, notes] of [
  ['allparams.mat', 'keras', [size]],
  ['order_swap.mat', 'keras', [size]],
  ['extra.mat', 'keras', ['skipped: accuracy', size]],
  ['filters.mat', 'matlab-float', [size]],
  ['module_orig_mod.pt', 'pytorch', [size, bits]],
  ['kuangliu.pt', 'pytorch', [size, bits]],
  ['model_args.pt', 'pytorch', [size, bits]],
  ['half.pt', 'pytorch', [size, bits]],
  ['sd.safetensors', 'pytorch', [size, bits]],
  ['OneBit_model_v2.h5', 'keras', [size]],
  ['model.keras', 'keras', []],
  ['v73.mat', 'keras', [size]],
] as const) {
  testWith(`cases/sources/${name}`, name, async (file) => {
    const model = await openModel(await readFile(file));
    expect([model.about.dialect, model.notes]).toEqual([dialect, notes]);
  });
}

testWith('cases/sources/order_swap.mat', 'kernels swapped in the file give the network of the file in order', async (file) => {
  const [swapped, plain] = [readModel(await readFile(file)), readModel(await readFile(file.replace('order_swap', 'allparams')))];
  expect(swapped.tensors).toEqual(plain.tensors);
});
