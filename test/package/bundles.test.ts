/** What the entries of the package load. Importing a file costs a millisecond, so the number of files is the time of an import. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Files that a built file loads when it is imported, and the packages and modules of Node. Imports inside functions wait until they run. */
function loads(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(join(root, file), 'utf8');
  for (const [, specifier = ''] of text.matchAll(/^(?:import|export) (?:[^;"]* from )?"([^"]+)";$/gm)) {
    if (specifier.startsWith('.')) loads(relative(root, join(root, dirname(file), specifier)), seen);
    else seen.add(specifier);
  }
  return seen;
}

const chunksOf = (file: string) => [...loads(file)].flatMap((path) => /^dist\/node\/chunks\/(\w+)-/.exec(path)?.[1] ?? []).sort();
const others = (file: string) => [...loads(file)].filter((path) => !path.startsWith('dist/'));

test.each([
  ['index', ['convert', 'eval', 'help', 'web']],
  ['convert', ['convert', 'help', 'web']],
  ['web', ['help', 'web']],
  ['onebit', ['help', 'onebit', 'web']],
  ['cli', ['help']],
])('%s loads itself and the chunks %j', (entry, chunks) => {
  expect(chunksOf(`dist/node/${entry}.js`)).toEqual(chunks);
});

test('what is slow to load waits until it is used', () => {
  const slow = /^node:(child_process|https?|net|worker_threads)$|^(commander|h5wasm|hyparquet|tar-stream|xz-decompress)/;
  expect(others('dist/node/index.js').filter((name) => slow.test(name))).toEqual([]);
  expect(others('dist/node/cli.js').filter((name) => !name.startsWith('node:'))).toEqual(['commander']);
});

test('a class and a state are the same from every entry', () => {
  const script = `
    import * as wrn from 'wrn-onnx';
    import { readClassifier } from 'wrn-onnx/eval';
    import { loadOneBit } from 'wrn-onnx/onebit';
    import * as train from 'wrn-onnx/train';
    import * as convert from 'wrn-onnx/convert';
    const errors = [
      await new Promise((resolve) => { try { readClassifier(new Uint8Array(9)) } catch (error) { resolve(error) } }),
      await loadOneBit(new Uint8Array(9)).catch((error) => error),
      await wrn.openImageSet('nowhere').catch((error) => error),
    ];
    console.log(errors.map((error) => [error instanceof wrn.InputError, error instanceof convert.WrnError, error instanceof train.WrnError, error.name, error.constructor.name].join()).join(' '));`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' });
  expect(said.trim()).toBe(Array(3).fill('true,true,true,InputError,InputError').join(' '));
});
