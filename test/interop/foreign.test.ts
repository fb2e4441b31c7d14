/** ONNX files of other makers: those that come inside the packages of the Python environment. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inspect } from '../../converters/inspect/inspect.ts';
import { decodeModel, encodeModel } from '../../proto/onnx.ts';
import { hasPython, runPython, SET_UP_TIMEOUT } from './environment.ts';

interface Description {
  readonly path: string;
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly ops: Readonly<Record<string, number>>;
  readonly functions: readonly string[];
  readonly constants: number;
  readonly bytes: number;
}

test.skipIf(!hasPython)(
  'every file is read and written without loss, and inspected as onnx sees it [needs Python 3.11 with venv]',
  async () => {
    const files = await runPython<Description[]>('foreign.py', null);
    expect(files.length).toBeGreaterThan(100);
    const folder = await mkdtemp(join(tmpdir(), 'wrn-onnx-foreign-'));
    try {
      const pairs: [string, string][] = [];
      for (const [i, { path, ...expected }] of files.entries()) {
        const bytes = await readFile(path);
        const copy = join(folder, `${i}.onnx`);
        await writeFile(copy, encodeModel(decodeModel(bytes)));
        pairs.push([path, copy]);

        const { onnx, bytes: size, network } = inspect(bytes);
        expect({ size, network }).toEqual({ size: bytes.length, network: null });
        const { irVersion, opsets, ops, functions, initializers } = onnx ?? {};
        const names = functions?.map(({ name }) => name).sort();
        expect({
          path,
          irVersion,
          opsets,
          ops,
          functions: names,
          constants: initializers?.count,
          bytes: initializers?.bytes,
        }).toEqual({ path, ...expected });
      }
      expect(await runPython<boolean[]>('foreign.py', pairs)).toEqual(pairs.map(() => true));
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  SET_UP_TIMEOUT,
);
