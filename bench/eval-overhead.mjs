// The cost of reading, copying and counting images, relative to inference: node bench/eval-overhead.mjs FILE DATA IMAGES BACKEND BATCH [ROUNDS]
// FILE is an ONNX file, or `wrn-20-1` for a network of that size with random weights. Each round times `evaluate` from the
// first batch to the last result and, for the CPU, a bare loop: the same batches, converted beforehand and held in memory,
// run one after the other in a process of its own. Needs the build (npm run build).
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [file, source, images, backend, batch, rounds = '5', bare] = process.argv.slice(2);
const { defaultConfig, evaluate, layers, openImageSet, parameters, readClassifier, toOnnx } = await import('../dist/src/index.js');
const model = file === 'wrn-20-1' ? randomNetwork() : readFileSync(file);
const { input, classes } = readClassifier(model);
const data = await openImageSet(source, { split: 'test', shape: input, classes });
const BATCH = Number(batch);
const limit = Math.min(Number(images), data.length);

if (bare) console.log(await runBare());
else await compare();
await data.close();

async function compare() {
  console.log(`${file}, ${limit} images of ${data.name} in batches of ${BATCH}, ${backend}; seconds`);
  const ratios = { "the runtime's own": [], "a bare loop's": [] };
  for (let round = 0; round < Number(rounds); round++) {
    const { results } = await evaluate(model, { modelName: file, data, backends: [backend], limit, backendOptions: { batch: BATCH } });
    const { seconds, runtimeSeconds } = results[0];
    const times = { "the runtime's own": runtimeSeconds };
    if (backend === 'cpu') times["a bare loop's"] = Number(execFileSync(process.execPath, [...process.argv.slice(1, 7), rounds, 'bare']));
    for (const [name, time] of Object.entries(times)) ratios[name].push(seconds / time);
    const others = Object.entries(times).map(([name, time]) => `${name} ${time.toFixed(2)}`);
    console.log(`  evaluate ${seconds.toFixed(2)}, ${others.join(', ')}`);
  }
  for (const [name, list] of Object.entries(ratios)) {
    if (list.length > 0) console.log(`  evaluate is ${list.sort((a, b) => a - b)[list.length >> 1].toFixed(3)} of ${name} (median)`);
  }
}

/** Seconds of onnxruntime alone. */
async function runBare() {
  const { InferenceSession, Tensor } = await (await import('../dist/src/packages.js')).loadPackage('onnxruntime-node');
  const batches = [];
  for await (const { imagesNCHW, count } of data.batches(BATCH, 0, limit)) batches.push({ imagesNCHW: imagesNCHW.slice(), count });
  const session = await InferenceSession.create(model);
  let seconds = 0;
  for (const { imagesNCHW, count } of batches) {
    const pixels = Float32Array.from(imagesNCHW);
    const feeds = { [input.name]: new Tensor('float32', pixels, [count, input.channels, input.height, input.width]) };
    const start = performance.now();
    await session.run(feeds);
    seconds += (performance.now() - start) / 1000;
  }
  return seconds;
}

function randomNetwork() {
  const config = { ...defaultConfig, width: 1 };
  let state = 1;
  const byte = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
  const tensors = new Map();
  for (const { name, shape, dtype } of parameters(config)) {
    const count = shape.reduce((a, b) => a * b, 1);
    const scale = layers(config).find((layer) => name === `${layer.name}.scale`)?.heScale;
    const values = dtype === 'bits' ? Uint8Array.from({ length: Math.ceil(count / 8) }, byte) : new Float32Array(count).fill(scale ?? 1);
    tensors.set(name, { dtype, shape, data: values });
  }
  return toOnnx({ config, tensors, about: { dialect: 'random' } }, { form: 'packed', input: 'nchw-float' });
}
