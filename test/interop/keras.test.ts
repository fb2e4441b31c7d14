/** Files that Keras saved give the outputs that Keras computed, whichever way it saved them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openModel } from '../../converters/read.ts';
import { referenceLogits } from '../../eval/verify/reference.ts';
import { type Environment, hasPython, hasPythonOf, runPython, SET_UP_TIMEOUT } from './environment.ts';

interface Answer {
  readonly version: string;
  readonly networks: readonly { readonly name: string; readonly files: readonly string[]; readonly logits: string }[];
}

const environments: Readonly<Record<string, Environment & { readonly newest: number }>> = {
  'TensorFlow 2.15': { name: 'tensorflow-2.15', packages: ['tensorflow-cpu==2.15.1'], newest: 11 },
  'Keras 3': { name: 'keras-3', packages: ['tensorflow-cpu==2.20.0', 'keras==3.15.1'], newest: 13 },
};

describe.each(Object.entries(environments))('%s', (_, { newest, ...environment }) => {
  const runs = hasPython && hasPythonOf(newest);
  test.skipIf(!runs)(
    `weights, whole models and archives within 1e-5 of Keras's own logits${runs ? '' : ` [needs Python 3.11 to 3.${newest} with venv]`}`,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'wrn-keras-'));
      try {
        const { networks } = await runPython<Answer>('keras_network.py', { folder, depth: 14, width: 1, classes: 10 }, environment);
        expect(networks.map(({ name, files }) => [name, files.length])).toEqual([
          ['binary', 3],
          ['signs', 1],
          ['float', 3],
          ['shifted', 3],
        ]);
        const images = await readFile(join(folder, 'images.u8'));
        for (const { name, files, logits } of networks) {
          const expected = new Float32Array(Uint8Array.from(await readFile(logits)).buffer);
          for (const file of files) {
            const model = await openModel(await readFile(file));
            const got = await referenceLogits(model, { imagesNCHW: images, count: 3 });
            const error = got.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (expected[i] as number))), 0);
            expect(error, file).toBeLessThan(1e-5);
            expect([model.config.bits, model.config.logitsDivisor], file).toEqual([name === 'float' ? 32 : 1, name === 'shifted' ? 40 : 1]);
          }
        }
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    SET_UP_TIMEOUT,
  );
});
