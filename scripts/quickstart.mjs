// The main job on a fresh clone, with nothing but the package registries: a network of ours to ONNX, its accuracy and
// parity on real images wherever this machine can run it, and a short training. What is missing is named and left out.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = `${root}quickstart`;
const images = `${root}examples/fashion-mnist`;

const setUp = spawnSync(process.execPath, [`${root}scripts/set-up.mjs`], { stdio: 'inherit' });
if (setUp.status !== 0) process.exit(1);

rmSync(out, { recursive: true, force: true });
mkdirSync(out);

/** Runs the command line and shows it as a user would type it. */
function wrn(...args) {
  console.log(`\n$ wrn-onnx ${args.map((arg) => arg.replace(root, '')).join(' ')}`);
  const { status } = spawnSync(process.execPath, [`${root}dist/node/cli.js`, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const doctor = spawnSync(process.execPath, [`${root}dist/node/cli.js`, 'doctor', '--format', 'json'], { encoding: 'utf8' });
const backends = JSON.parse(doctor.stdout).filter(({ area }) => area === 'backend');
const ok = backends.filter(({ ok }) => ok).map(({ name }) => name);
const sideBySide = ['cpu', 'wasm', 'onebit'].filter((name) => ok.includes(name));
const here = [...sideBySide, ...ok.filter((name) => !sideBySide.includes(name))];
const hasBrowser = here.includes('browser-wasm');

wrn('export', `${root}models/fashion-mnist-wrn-20-1/model.safetensors`, '-o', `${out}/model.onnx`);
wrn('inspect', `${out}/model.onnx`);
wrn('eval', `${out}/model.onnx`, '--data', images, '--backend', here.join(','));
if (hasBrowser && !here.includes('browser-webgpu')) {
  console.log('\nNo GPU that the browser supports: WebGPU is shown in software rendering, on few images.');
  wrn('eval', `${out}/model.onnx`, '--data', images, '--backend', 'cpu,browser-webgpu', '--software-gpu', '--limit', '16');
}

console.log('\nset-up: tfjs-node, for the training');
const tfjs = spawnSync(process.execPath, [`${root}scripts/set-up-tfjs.mjs`], { stdio: 'inherit' });
if (tfjs.status === 0) {
  wrn('train', '--data', images, '--width', '1', '--epochs', '2', '--no-flip', '--crop', '0', '-o', `${out}/trained`);
}

const missing = backends.filter(({ ok }) => !ok);
if (missing.length > 0) console.log('\nNot on this machine:');
for (const { name, detail } of missing) console.log(`  ${name}: ${detail}`);
if (tfjs.status !== 0) console.log('  training: tfjs-node could not be set up, see above');
