// The one-bit runtime and LiteRT.js in one page, one thread each, in turns: milliseconds per image.
//
//     npm install @litertjs/core --prefix /tmp/litert
//     pip install tensorflow-cpu && python bench/litert_twin.py /tmp/twin.tflite
//     npm run build && node bench/litert.mjs /tmp/litert/node_modules/@litertjs/core /tmp/twin.tflite int8.onnx [rounds]
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { findBrowser } from '../dist/eval/backends/browser/find.js';

const [litert, twin, onnx, rounds = '15'] = process.argv.slice(2);

async function bundle(entry) {
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: 'esm', write: false });
  return outputFiles[0].contents;
}

const files = {
  '/': '<!doctype html>',
  '/litert.js': await bundle(join(litert, 'dist/index.js')),
  '/onebit.js': await bundle(fileURLToPath(new URL('../dist/src/onebit.js', import.meta.url))),
  '/twin.tflite': readFileSync(twin),
  '/int8.onnx': readFileSync(onnx),
};
const types = { '.js': 'text/javascript', '.wasm': 'application/wasm', '': 'text/html' };
const server = createServer(({ url }, response) => {
  const body = url.startsWith('/wasm/') ? readFileSync(join(litert, url)) : files[url];
  response.writeHead(body ? 200 : 404, { 'Content-Type': types[extname(url)] ?? 'application/octet-stream' }).end(body);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const browser = await chromium.launch({ executablePath: findBrowser(), args: ['--no-sandbox'] });
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const times = await page.evaluate(async (rounds) => {
    const { loadLiteRt, loadAndCompile, Tensor } = await import('/litert.js');
    const { loadOneBit } = await import('/onebit.js');
    await loadLiteRt('/wasm/', { threads: false });
    const twin = await loadAndCompile('/twin.tflite', { accelerator: 'wasm' });
    const network = await loadOneBit('/int8.onnx', { threads: 1 });
    const pixels = Uint8Array.from({ length: 3072 }, (_, i) => (i * 7919) % 251);
    const input = new Tensor(Float32Array.from(pixels), [1, 32, 32, 3]);
    const runs = {
      async litert() {
        const [output] = await twin.run(input);
        await output.data();
        output.delete();
      },
      onebit: () => network.run(pixels),
    };
    const times = { litert: [], onebit: [] };
    for (let round = -3; round < rounds; round++)
      for (const [name, run] of Object.entries(runs)) {
        const start = performance.now();
        await run();
        if (round >= 0) times[name].push(performance.now() - start);
      }
    return times;
  }, Number(rounds));
  const quartiles = Object.fromEntries(
    Object.entries(times).map(([name, all]) => {
      const sorted = all.sort((a, b) => a - b);
      return [name, [0, 0.25, 0.5, 0.75].map((at) => sorted[Math.floor(at * (sorted.length - 1))])];
    }),
  );
  for (const [name, [best, low, median, high]] of Object.entries(quartiles))
    console.log(
      `${name.padEnd(8)} median ${median.toFixed(1)} ms, quartiles ${low.toFixed(1)} to ${high.toFixed(1)}, best ${best.toFixed(1)}`,
    );
  const ratio = (at) => (quartiles.onebit[at] / quartiles.litert[at]).toFixed(2);
  console.log(`onebit takes ${ratio(2)} of the time of LiteRT.js (best runs: ${ratio(0)}); ${browser.version()}`);
} finally {
  await browser.close();
  server.close();
}
