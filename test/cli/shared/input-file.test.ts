import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readJsonFile } from '../../../src/cli/shared/input-file.ts';
import { makeFolders } from '../../../src/cli/shared/output-folder.ts';
import { makeScratch } from '../../../src/data/files/leftovers.ts';

const folder = makeScratch();
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

test('JSON of a file is read, and damage names the file', async () => {
  writeFileSync(at('whole.json'), '{"a":[1]}');
  writeFileSync(at('cut.json'), '{"a":[1');
  expect(await readJsonFile(at('whole.json'), 'sweep')).toEqual({ a: [1] });
  await expect(readJsonFile(at('cut.json'), 'sweep')).rejects.toThrow(
    `sweep ${at('cut.json')}: expected JSON, got something else or a truncated file`,
  );
  await expect(readJsonFile(at('no.json'), 'sweep')).rejects.toThrow('expected a file, got no such file');
});

test('folders are made once, and never in place of a file', () => {
  makeFolders(at('work'), ['runs', 'logs']);
  writeFileSync(at('work/logs/1.txt'), '');
  makeFolders(at('work'), ['runs', 'logs']);
  mkdirSync(at('other'));
  writeFileSync(at('other/runs'), '');
  expect(() => makeFolders(at('other'), ['runs'])).toThrow(`${at('other')}: cannot be used, a file of this name exists`);
});
