import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { chart, heading, horizontalAxis, legend } from '../../src/chart/chart.ts';
import { onPaper } from '../../src/chart/look.ts';
import { toPng } from '../../src/chart/png.ts';
import { label, path } from '../../src/chart/svg.ts';
import { folderWith } from '../data/crafted.ts';

const size = { width: 320, height: 200 };
const blank = chart(size, onPaper, ...heading('', [], onPaper));

test('an SVG of the size asked for, with its text escaped', () => {
  const svg = chart(size, onPaper, label('<Error & "epochs">', 1.23456, 2));
  expect(svg).toMatch(/^<svg [^>]*width="320" height="200"/);
  expect(svg).toContain('<text x="1.23" y="2">&#60;Error &#38; &#34;epochs&#34;&#62;</text>');
});

test('every tick has its label, the last one too', () => {
  const axis = horizontalAxis(
    { ticks: [96, 98, 100], place: (value) => value, format: (value) => `${value} %` },
    { top: 0, bottom: 9 },
    onPaper,
  );
  for (const text of ['>96 %<', '>98 %<', '>100 %<']) expect(axis.join('')).toContain(text);
});

test('a legend takes as many rows as its names need, and no more colours than there are', () => {
  const names = Array.from({ length: 7 }, (_, i) => `network number ${i}`);
  const { marks, height } = legend(names, { left: 0, top: 0, width: 320 }, onPaper);
  expect(marks.filter((mark) => mark.startsWith('<rect'))).toHaveLength(7);
  expect(height).toBe(4 * legend(names.slice(0, 2), { left: 0, top: 0, width: 320 }, onPaper).height);
});

/** Pixels of the PNG, as `red,green,blue`. */
async function pixels(png: Uint8Array): Promise<string[]> {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([640, 400]);
  return Array.from({ length: info.width * info.height }, (_, i) => data.subarray(i * 3, i * 3 + 3).join());
}

test('the PNG shows a line, at twice the size', async () => {
  const red = path(
    [
      [10, 100],
      [310, 100],
    ],
    { stroke: '#ff0000', 'stroke-width': 6 },
  );
  const found = await pixels(await toPng(chart(size, onPaper, red)));
  expect(found.filter((pixel) => pixel === '255,0,0')).toHaveLength(600 * 12);
});

test('the PNG shows the text on a machine without fonts', async () => {
  const folder = await folderWith({ 'fonts.conf': '<fontconfig></fontconfig>' });
  writeFileSync(join(folder, 'chart.svg'), chart(size, onPaper, ...heading('Error & epochs', [], onPaper)));
  const built = fileURLToPath(new URL('../../dist/src/chart/png.js', import.meta.url));
  const script = `import { readFileSync, writeFileSync } from 'node:fs';
    import { toPng } from ${JSON.stringify(built)};
    writeFileSync('chart.png', await toPng(readFileSync('chart.svg', 'utf8')));`;
  execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: folder,
    env: { FONTCONFIG_FILE: join(folder, 'fonts.conf') },
  });
  const [titled, plain] = [await pixels(await sharp(join(folder, 'chart.png')).png().toBuffer()), await pixels(await toPng(blank))];
  expect(titled.filter((pixel, i) => pixel !== plain[i]).length).toBeGreaterThan(1000);
});
