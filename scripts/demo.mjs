// Writes the project's demo into demo/: for each data set the shipped one-bit network with the lowest error, and the smallest one.
// Test images that `wrn-onnx data get` has stored become samples and a check.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const networks = readdirSync(`${root}models`)
  .map((name) => ({ name, ...JSON.parse(readFileSync(`${root}models/${name}/report.json`, 'utf8')) }))
  .filter(({ bits }) => bits === 1)
  .map(({ name, data, testError }) => ({
    name,
    data: data.name,
    testError,
    bytes: statSync(`${root}models/${name}/model.safetensors`).size,
  }));
const first = (list, ...keys) =>
  [...list].sort((a, b) => keys.map((key) => a[key] - b[key]).find((difference) => difference !== 0) ?? 0)[0];
const chosen = [...new Set(networks.map(({ data }) => data))].flatMap((data) => {
  const own = networks.filter((network) => network.data === data);
  return [...new Set([first(own, 'bytes', 'testError'), first(own, 'testError', 'bytes')])];
});
const args = ['site', ...chosen.map(({ name }) => name), '-o', `${root}demo`, '--force', '--title', 'One bit per weight'];
console.log(`$ wrn-onnx ${args.join(' ').replaceAll(root, '')}`);
const { status } = spawnSync(process.execPath, [`${root}dist/node/cli.js`, ...args], { stdio: 'inherit' });
process.exit(status ?? 1);
