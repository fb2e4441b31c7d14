// Every form on every backend: whether it works, how it agrees with float32, how fast it runs, as a Markdown table.
//     node bench/matrix.mjs SOURCE DATA [--backend cpu,wasm] [--limit N] [--batch N] [--runs N] [--software-gpu]
// Agreement is with the form packed on the CPU, on the first N test images; speed is the median of runs of one batch,
// the forms of a backend in turn. Each image that a form decides differently is named, with how far apart float32's two
// first classes were. Absent devices are listed as absent. Needs the build (npm run build).
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  backendNames,
  bench,
  calibrate,
  evaluate,
  forms,
  openImageSet,
  probe,
  readModel,
  toFp16Onnx,
  toInt8Onnx,
  toOnnx,
  WrnError,
} from '../dist/src/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: backendNames.filter((name) => name !== 'tfjs').join(',') },
    limit: { type: 'string', default: '200' },
    batch: { type: 'string', default: '8' },
    runs: { type: 'string', default: '5' },
    'software-gpu': { type: 'boolean', default: false },
  },
});
const [source, path] = positionals;
const [limit, batch, runs] = [values.limit, values.batch, values.runs].map(Number);
const softwareGpu = values['software-gpu'];
const GPU = /webgpu|webgl/;

const model = readModel(readFileSync(source));
const input = 'nchw-float';
const train = await openImageSet(path, { split: 'train' });
const data = await openImageSet(path, { split: 'test' });
const files = Object.keys(forms).map((form) => ({ name: form, model: toOnnx(model, { form, input }) }));
const ranges = await calibrate(model, { data: train, images: 256, method: 'percentile' });
files.push({ name: 'int8', model: toInt8Onnx(model, { ranges, input }) }, { name: 'fp16', model: toFp16Onnx(model, { input }) });
await train.close();

const expected = await logitsOn('cpu', files[0]);
const count = expected.length / model.config.classes;
const columns = [];
const notes = [];
for (const backend of values.backend.split(',')) columns.push(await column(backend));
await data.close();

const title = (backend) => (softwareGpu && GPU.test(backend) ? `${backend}, software` : backend);
const line = (cells) => `| ${cells.join(' | ')} |`;
console.log(line(['form', 'file', ...columns.map(({ backend }) => title(backend))]));
console.log(line(Array.from({ length: columns.length + 2 }, () => '---')));
for (const { name, model: bytes } of files)
  console.log(line([`\`${name}\``, `${(bytes.length / 1e6).toFixed(2)} MB`, ...columns.map(({ cells }) => cells.get(name))]));
console.log(
  `\nAgreement with packed on the CPU and relative error of the logits, ${count} images; ms per image, median of ${runs} runs of ${batch}.\nIn float32 the first two classes of an image are ${medianGap()} apart in the median.`,
);
for (const note of notes) console.log(`- ${note}`);

/** The cells of one backend by form. */
async function column(backend) {
  const available = await probe(backend, { softwareGpu });
  if (!available.ok) {
    notes.push(`${backend} is absent: ${available.reason}`);
    return { backend, cells: new Map(files.map(({ name }) => [name, 'absent'])) };
  }
  const answers = new Map();
  const refused = new Map();
  for (const file of files) {
    try {
      answers.set(file.name, compare(await logitsOn(backend, file)));
    } catch (error) {
      if (!(error instanceof WrnError)) throw error;
      refused.set(error.message, [...(refused.get(error.message) ?? []), file.name]);
    }
  }
  const milliseconds = new Map();
  const works = files.filter(({ name }) => answers.has(name));
  const options = { backends: [backend], batches: [batch], threads: [undefined], runs, backendOptions: { softwareGpu } };
  for await (const one of bench(works, options)) {
    milliseconds.set(one.file, (one.seconds.median * 1000) / batch);
    if (one.file === works[0].name) notes.push(`${backend}: ${one.detail}`);
  }
  for (const [form, { flips }] of answers) for (const flip of flips) notes.push(`${form} on ${backend}: ${flip}`);
  for (const [message, names] of refused) notes.push(`${names.join(', ')} on ${backend}: ${message}`);
  const cell = ({ flips, relError }, ms) =>
    `${(100 - (100 * flips.length) / count).toFixed(1)} %, ${relError.toExponential(0)}, ${ms.toPrecision(3)} ms`;
  return {
    backend,
    cells: new Map(files.map(({ name }) => [name, answers.has(name) ? cell(answers.get(name), milliseconds.get(name)) : 'no'])),
  };
}

async function logitsOn(backend, { name, model: bytes }) {
  const parts = [];
  const report = await evaluate(bytes, {
    modelName: name,
    data,
    backends: [backend],
    limit,
    backendOptions: { batch, softwareGpu },
    onLogits: (_, offset, logits) => parts.push([offset, logits.slice()]),
  });
  const { classes } = model.config;
  const all = new Float32Array(report.images * classes);
  for (const [offset, logits] of parts) all.set(logits, offset * classes);
  return all;
}

function compare(logits) {
  const flips = [];
  for (let image = 0; image < count; image++) {
    const [float, other] = [expected, logits].map((values) => row(values, image));
    const [[was], [is]] = [ranked(float), ranked(other)];
    const gap = (values, i, j) => (values[i] - values[j]).toPrecision(2);
    if (was !== is) flips.push(`image ${image} is ${is}, not ${was}: by ${gap(other, is, was)}; in float32 ${gap(float, was, is)}`);
  }
  const norm = (f) => Math.sqrt(expected.reduce((sum, _, i) => sum + f(i) ** 2, 0));
  return { flips, relError: norm((i) => logits[i] - expected[i]) / norm((i) => expected[i]) };
}

function row(logits, image) {
  const { classes } = model.config;
  return logits.subarray(image * classes, (image + 1) * classes);
}

/** Classes, the likeliest first. */
function ranked(values) {
  return Array.from(values.keys()).sort((a, b) => values[b] - values[a]);
}

/** How far the two first classes of float32 are apart in the median of the images. */
function medianGap() {
  const gaps = Array.from({ length: count }, (_, image) => {
    const values = row(expected, image);
    const [first, second] = ranked(values);
    return values[first] - values[second];
  });
  return gaps.sort((a, b) => a - b)[count >> 1].toPrecision(2);
}
