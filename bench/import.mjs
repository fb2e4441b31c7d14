// What it takes to import the library and to show help: wall time and memory, in turns with Node alone. Build first:
//   node bench/import.mjs [times]
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';

const times = Number(process.argv[2] ?? 20);
const root = fileURLToPath(new URL('..', import.meta.url));
const importing = (code) => ['--input-type=module', '-e', `${code}; console.log(process.resourceUsage().maxRSS)`];
const programs = [
  ['node alone', importing('')],
  ...['wrn-onnx', 'wrn-onnx/convert', 'wrn-onnx/web', 'wrn-onnx/onebit'].map((name) => [`import '${name}'`, importing(`import '${name}'`)]),
  ['wrn-onnx --help', ['dist/node/cli.js', '--help']],
  ['wrn-onnx export --help', ['dist/node/cli.js', 'export', '--help']],
].map(([name, args]) => ({ name, args, milliseconds: [], megabytes: [] }));

for (let i = 0; i < times; i++) {
  for (const { args, milliseconds, megabytes } of programs) {
    const start = performance.now();
    const { stdout, status } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    milliseconds.push(performance.now() - start);
    if (status !== 0) process.exit(1);
    megabytes.push(Number(stdout) / 1024);
  }
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const alone = median(programs[0].milliseconds);
const table = new Table({ head: ['', 'ms', 'above Node alone', 'MB'], style: { head: [], border: [] } });
for (const { name, milliseconds, megabytes } of programs) {
  const ms = median(milliseconds);
  const mb = median(megabytes);
  table.push([name, ms.toFixed(0), (ms - alone).toFixed(0), Number.isNaN(mb) ? '' : mb.toFixed(0)]);
}
console.log(`Node ${process.version}, ${cpus()[0]?.model}, medians of ${times}`);
console.log(table.toString());
