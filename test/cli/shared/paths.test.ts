import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { expandPaths } from '../../../src/cli/shared/paths.ts';
import { UsageError } from '../../../src/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'wrn-paths-'));
mkdirSync(join(folder, 'photos'));
mkdirSync(join(folder, 'empty'));
for (const name of ['part-1.json', 'part-2.json', 'part-10.json', '[a].png', 'photos/b.png', 'photos/a.JPG', 'photos/notes.txt'])
  writeFileSync(join(folder, name), '');
const at = (name: string) => join(folder, name);
const images = /\.(png|jpg)$/i;

test.each([
  ['a path', ['part-1.json'], ['part-1.json']],
  ['a pattern', ['part-*.json'], ['part-1.json', 'part-10.json', 'part-2.json']],
  ['a folder: files that count, by name', ['photos'], ['photos/a.JPG', 'photos/b.png']],
  ['a folder with a slash', ['photos/'], ['photos/a.JPG', 'photos/b.png']],
  ['a file whose name looks like a pattern', ['[a].png'], ['[a].png']],
  ['a path that is not there: reading it will say so', ['none.png'], ['none.png']],
  ['several, in the order given', ['photos', 'part-1.json'], ['photos/a.JPG', 'photos/b.png', 'part-1.json']],
])('%s', async (_, paths, expected) => {
  expect(await expandPaths(paths.map(at), images)).toEqual(expected.map(at));
});

test.each(['*.gif', 'empty'])('%s stands for nothing', async (path) => {
  await expect(expandPaths([at(path)], images)).rejects.toThrow(UsageError);
});
