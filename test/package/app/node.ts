/** The types as a program in Node meets them. */
import { readFile, writeFile } from 'node:fs/promises';
import { evaluate, type ImageSet, InputError, type Model, openImageSet, type Report, readModel, toOnnx, type WrnError } from 'wrn-onnx';
import { type ExportOptions, inspect } from 'wrn-onnx/convert';
import { bench, calibrate, type Measurement } from 'wrn-onnx/eval';
import { openSplits, type Recipe, trainNetwork } from 'wrn-onnx/train';

export async function convert(path: string, options?: ExportOptions): Promise<Report> {
  const bytes = await readFile(path);
  const model: Model = readModel(bytes);
  const file = toOnnx(model, options);
  await writeFile(`${path}.onnx`, file);
  const data: ImageSet = await openImageSet('cifar-10');
  await calibrate(model, { data });
  for await (const measurement of bench([{ name: path, model: file }])) print(measurement);
  return evaluate(file, { data, backends: ['cpu', 'wasm'], limit: 500 });
}

export async function train(recipe: Partial<Recipe>): Promise<Model> {
  const images = await openSplits('fashion-mnist');
  return trainNetwork(images, { folder: 'run', network: { width: 1 }, recipe, epochs: 2, onStep: ({ loss }) => loss });
}

function print({ seconds }: Measurement): string {
  return seconds.median.toFixed(3);
}

export function reason(error: unknown): WrnError['code'] | undefined {
  return error instanceof InputError ? error.code : undefined;
}

export const layers = (bytes: Uint8Array) => inspect(bytes).layers;
