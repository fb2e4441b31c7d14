/** Files as other systems write them: line ends and encodings of Windows, names in capitals. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { mergeParts, readPart } from '../../eval/merge.ts';
import { openImageSet } from '../../src/data/open.ts';
import { readLog } from '../../src/train/run/log.ts';
import { version } from '../../src/version.ts';
import { folderWith, readAll } from '../data/crafted.ts';

const shipped = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../models/fashion-mnist-wrn-20-1/${name}`, import.meta.url)), 'utf8');

test('a log with the line ends of Windows', () => {
  const log = shipped('log.jsonl');
  const windows = `${log.trimEnd().replaceAll('\n', '\r\n')}\r\n\r\n`;
  expect(readLog(windows, 'log')).toEqual(readLog(log, 'log'));
});

test.each([
  ['UTF-8 with a mark, as editors write', (text: string) => Buffer.from(`\ufeff${text}`)],
  ['UTF-16, as the > of Windows PowerShell 5 writes', (text: string) => Buffer.from(`\ufeff${text}\r\n`, 'utf16le')],
])('a part of an evaluation in %s', (_, encode) => {
  const text = JSON.stringify({ ...JSON.parse(shipped('report.json')).parity, version });
  const plain = mergeParts([readPart(Buffer.from(text), 'part')]);
  expect(mergeParts([readPart(encode(text), 'part')])).toEqual(plain);
});

test('image files whose names end in capitals, as cameras write', async () => {
  const image = (value: number) => sharp({ create: { width: 8, height: 8, channels: 3, background: { r: value, g: 0, b: 0 } } });
  const folder = await folderWith({ 'a/1.PNG': await image(10).png().toBuffer(), 'b/2.JPG': await image(200).jpeg().toBuffer() });
  const { labels } = await readAll(await openImageSet(join(folder), { split: 'test', shape: { channels: 3, height: 8, width: 8 } }));
  expect(labels).toEqual([0, 1]);
});
