// Peak memory of eval by the number of images: node bench/eval-memory.mjs [IMAGES...]
// A synthetic data set (a file with a hole), a network of one product and 100 classes, cpu against wasm. Every line is a
// process of its own; the logits of 1,000,000 images alone are 400 MB. Needs the build (npm run build).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Graph } from '../dist/converters/onnx/graph.js';
import { DataType, encodeModel } from '../dist/proto/onnx.js';
import { evaluate, openImageSet } from '../dist/src/index.js';

const CLASSES = 100;
const SIDE = 8;
const [mode, folder, images] = process.argv.slice(2);

if (mode === 'measure') await measure(folder, Number(images));
else compare(process.argv.length > 2 ? process.argv.slice(2) : ['1000', '10000', '100000', '1000000']);

function compare(sizes) {
  console.log('images      evaluating process   cpu   wasm (peak MB)   seconds');
  for (const size of sizes) {
    const made = mkdtempSync(join(tmpdir(), 'wrn-onnx-bench-'));
    try {
      const header = (...words) => Buffer.from(Uint32Array.from(words).buffer).swap32();
      const file = (name, head, bytes) => {
        writeFileSync(join(made, name), head);
        truncateSync(join(made, name), bytes);
      };
      file('t10k-images-idx3-ubyte', header(0x803, size, SIDE, SIDE), 16 + size * SIDE * SIDE);
      file('t10k-labels-idx1-ubyte', header(0x801, size), 8 + Number(size));
      process.stdout.write(execFileSync(process.execPath, [fileURLToPath(import.meta.url), 'measure', made, size]));
    } finally {
      rmSync(made, { recursive: true });
    }
  }
}

async function measure(source, size) {
  const data = await openImageSet(source, { split: 'test', classes: CLASSES });
  const { results } = await evaluate(network(), {
    modelName: 'tiny',
    data,
    backends: ['cpu', 'wasm'],
    backendOptions: { batch: 500 },
  });
  await data.close();
  const megabytes = (bytes) => String(Math.round(bytes / 1e6)).padStart(6);
  const peaks = [process.resourceUsage().maxRSS * 1024, ...results.map(({ peakMemoryBytes }) => peakMemoryBytes)];
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  console.log(`${size.toLocaleString('en-US').padEnd(12)}${peaks.map(megabytes).join('  ')}  ${seconds.toFixed(1)}`);
}

function network() {
  const graph = new Graph();
  graph.node('Flatten', ['images'], 'flat', { axis: 1 });
  const weights = Float32Array.from({ length: SIDE * SIDE * CLASSES }, (_, i) => (i % 7) - 3);
  graph.node('MatMul', ['flat', graph.floats('weights', [SIDE * SIDE, CLASSES], weights)], 'logits');
  const value = (name, ...sizes) => {
    const dim = [{ dim_param: 'batch' }, ...sizes.map((dim_value) => ({ dim_value }))];
    return { name, type: { tensor_type: { elem_type: DataType.FLOAT, shape: { dim } } } };
  };
  return encodeModel({
    ir_version: 8,
    opset_import: [{ domain: '', version: 17 }],
    graph: {
      name: 'tiny',
      node: graph.nodes,
      initializer: graph.initializers,
      input: [value('images', 1, SIDE, SIDE)],
      output: [value('logits', CLASSES)],
    },
  });
}
