import sharp from 'sharp';
import { expect, test } from 'vitest';
import { toPng, toSvg } from '../../src/chart/chart.ts';

const series = [{ type: 'line' as const, lineStyle: { color: '#ff0000', width: 6 }, symbol: 'none', data: [[0, 1] as number[], [1, 2]] }];
const option = { title: { text: 'Error & epochs' }, xAxis: {}, yAxis: {}, series };

test('an SVG of the size asked for, with its text escaped', () => {
  const svg = toSvg(option, { width: 320, height: 200 });
  expect(svg).toMatch(/^<svg [^>]*width="320" height="200"/);
  expect(svg).toContain('Error &amp; epochs');
});

/** Pixels of the PNG, as `red,green,blue`. */
async function pixels(chart: typeof option | Omit<typeof option, 'title'>): Promise<string[]> {
  const { data, info } = await sharp(toPng(toSvg(chart, { width: 320, height: 200 })))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([640, 400]);
  return Array.from({ length: info.width * info.height }, (_, i) => data.subarray(i * 3, i * 3 + 3).join());
}

test('the PNG shows the line', async () => {
  expect((await pixels(option)).filter((pixel) => pixel === '255,0,0').length).toBeGreaterThan(1000);
});

test('the PNG shows the text on a machine without fonts', async () => {
  const { title, ...untitled } = option;
  const [titled, plain] = [await pixels({ ...untitled, title }), await pixels(untitled)];
  expect(titled.filter((pixel, i) => pixel !== plain[i]).length).toBeGreaterThan(1000);
});
