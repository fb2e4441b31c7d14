/** Real networks whose weights are made one bit each: packed, and the same outputs in Python's onnxruntime. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type PackedFile, packOnnx } from '../../converters/onnx/pack/pack.ts';
import { hasPython, packageFolder, runPython, SET_UP_TIMEOUT } from './environment.ts';

/** Packages of PyPI that contain networks of other frameworks: PaddlePaddle, PyTorch (with layers inside If), Keras, and YOLOv8. */
const packages = ['rapidocr-onnxruntime==1.4.4', 'silero-vad==6.2.3', 'magika==1.0.3', 'nudenet==3.4.2'];
const names = ['ch_ppocr_mobile_v2.0_cls_infer.onnx', 'silero_vad.onnx', 'model.onnx', '320n.onnx'];

test.skipIf(!hasPython)(
  `text direction, speech, file types, objects${hasPython ? '' : ' [needs Python 3.11 with venv]'}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wrn-onnx-binarize-'));
    try {
      const files = (await Promise.all(packages.map(async (name) => onnxFiles(await packageFolder(name))))).flat();
      expect(files).toHaveLength(names.length);
      const originals = files.map((_, i) => join(folder, `${i}.onnx`));
      const layers = await runPython<number[]>('binarize.py', { make: Object.fromEntries(files.map((file, i) => [file, originals[i]])) });
      const pairs: [string, string][] = [];
      for (const [i, original] of originals.entries())
        for (const inline of [false, true]) {
          const result = packOnnx(await readFile(original), { inline });
          expect([files[i], tensorsOf(result).size], JSON.stringify(result.kept)).toEqual([files[i], layers[i]]);
          expect(result.packed.every(({ error }) => error === 0)).toBe(true);
          const packed = `${original}.${inline ? 'inline' : 'packed'}.onnx`;
          await writeFile(packed, result.model);
          expect((await stat(packed)).size).toBeLessThan((await stat(original)).size * 0.6);
          pairs.push([original, packed]);
        }
      const errors = await runPython<number[]>('binarize.py', { compare: pairs });
      expect(Math.max(...errors)).toBeLessThan(1e-5);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  SET_UP_TIMEOUT,
);

async function onnxFiles(folder: string): Promise<string[]> {
  const all = await readdir(folder, { recursive: true });
  return all.filter((path) => names.some((name) => path.endsWith(`/${name}`))).map((path) => join(folder, path));
}

const tensorsOf = ({ packed }: PackedFile) => new Set(packed.map(({ tensor }) => tensor));
