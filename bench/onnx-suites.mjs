// Every distinct ONNX file below a folder: decoded and encoded again byte for byte, its counts held to Python's onnx, and inspected.
// node bench/onnx-suites.mjs PYTHON FOLDER; bench/onnx-suites.txt says how to fill the folder.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeModel, encodeModel } from '../dist/proto/onnx.js';
import { inspect, WrnError } from '../dist/src/convert.js';

const COUNTS = `
import json, sys, onnx
def graphs(graph):
    yield graph
    for node in graph.node:
        for a in node.attribute:
            for inner in ([a.g] if a.HasField("g") else []) + list(a.graphs):
                yield from graphs(inner)
def counts(path):
    model = onnx.load(path, load_external_data=False)
    all = list(graphs(model.graph))
    return [sum(len(g.node) for g in all), sum(len(g.initializer) for g in all), len(model.graph.input), len(model.graph.output), len(model.functions)]
print(json.dumps([counts(path) for path in json.load(sys.stdin)]))`;

function* graphsOf(graph) {
  yield graph;
  for (const { attribute } of graph.node ?? [])
    for (const { g, graphs } of attribute ?? []) for (const inner of [...(g ? [g] : []), ...(graphs ?? [])]) yield* graphsOf(inner);
}

function countsOf({ graph, functions }) {
  const all = [...graphsOf(graph)];
  const sum = (field) => all.reduce((total, each) => total + (each[field]?.length ?? 0), 0);
  return [sum('node'), sum('initializer'), graph.input?.length ?? 0, graph.output?.length ?? 0, functions?.length ?? 0];
}

const [python, folder] = process.argv.slice(2);
const files = new Map();
for (const name of readdirSync(folder, { recursive: true }).sort()) {
  if (!name.endsWith('.onnx')) continue;
  const bytes = readFileSync(join(folder, name));
  files.set(createHash('sha256').update(bytes).digest('hex'), { path: join(folder, name), bytes });
}
const distinct = [...files.values()];
const answer = spawnSync(python, ['-c', COUNTS], { input: JSON.stringify(distinct.map(({ path }) => path)), maxBuffer: 2 ** 30 });
const expected = JSON.parse(answer.stdout);
const failed = { bytes: [], counts: [], inspected: [] };
let refused = 0;
for (const [i, { path, bytes }] of distinct.entries()) {
  try {
    const model = decodeModel(bytes);
    if (Buffer.compare(encodeModel(model), bytes) !== 0) failed.bytes.push(path);
    if (countsOf(model).join() !== expected[i].join()) failed.counts.push(path);
  } catch (error) {
    failed.bytes.push(`${path}: ${error.message}`);
  }
  try {
    inspect(bytes);
  } catch (error) {
    if (error instanceof WrnError) refused++;
    else failed.inspected.push(`${path}: ${error.stack}`);
  }
}
for (const [what, paths] of Object.entries(failed)) for (const path of paths) console.log(`${what} differ: ${path}`);
console.log(
  `${distinct.length} distinct files: ${distinct.length - failed.bytes.length} the same bytes, ${distinct.length - failed.counts.length} the same counts;`,
);
console.log(
  `inspect: ${distinct.length - refused - failed.inspected.length} described, ${refused} refused in one line, ${failed.inspected.length} other errors`,
);
