/** No command calls another machine, resolves a name, or leaves a file where it was not told to: every system call is traced. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { findBrowser } from '../../eval/backends/browser/find.ts';
import { shared } from '../shared.ts';
import { hasStrace, type Traced, trace } from '../strace.ts';
import { smallData, smallNetwork } from '../train/run.ts';
import { hasTensorFlow } from '../train/tensorflow.ts';
import { cli } from './run.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const network = join(root, 'models/fashion-mnist-wrn-20-1/model.safetensors');
const images = join(root, 'examples/fashion-mnist');

const folder = mkdtempSync(join(tmpdir(), 'wrn-onnx-privacy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
/** What a user has beside the results: none of them is ours to write into for good. */
const owned = ['home', 'cache', 'config', 'temporary'].map(at);
for (const path of [...owned, at('out')]) mkdirSync(path);
const out = (name: string) => join(at('out'), name);

const [home, cache, config, temporary] = owned as [string, string, string, string];
const env: NodeJS.ProcessEnv = {
  PATH: process.env['PATH'],
  HOME: home,
  XDG_CACHE_HOME: cache,
  XDG_CONFIG_HOME: config,
  TMPDIR: temporary,
  WRN_ONNX_DATA: out('data'),
};

interface Row {
  readonly args: readonly string[];
  /** Commands whose results it takes. */
  readonly after?: readonly (readonly string[])[];
  /** More arguments, made when it is run. */
  readonly more?: () => Promise<readonly string[]>;
  /** What is missing to run it, if anything. */
  readonly needs?: string | false;
}

const onnx = ['export', network, '-o', out('net.onnx')];
const part = ['eval', out('net.onnx'), '--data', images, '--limit', '8', '--backend', 'cpu,wasm'];

const rows: Readonly<Record<string, Row>> = {
  export: { args: onnx },
  'export --form int8': {
    args: ['export', network, '-o', out('int8.onnx'), '--form', 'int8', '--calibrate', images, '--calibration-images', '32'],
  },
  import: { args: ['import', network, '-o', out('net.safetensors')] },
  inspect: { args: ['inspect', network] },
  pack: {
    args: ['pack', out('dense.onnx'), '-o', out('packed.onnx')],
    after: [['export', network, '--form', 'dense', '-o', out('dense.onnx')]],
  },
  unpack: { args: ['unpack', out('net.onnx'), '-o', out('unpacked.onnx')], after: [onnx] },
  eval: { args: [...part, '--report', out('report.html'), '--save-logits', out('logits.npy')], after: [onnx] },
  predict: { args: ['predict', network, join(root, 'examples/ship.png')] },
  bench: { args: ['bench', out('net.onnx'), '--runs', '1', '--profile', '--chart', out('speed')], after: [onnx] },
  site: { args: ['site', network, '-o', out('site')] },
  train: {
    args: ['train', ...smallNetwork, '--epochs', '1', '-o', out('run')],
    more: async () => ['--data', await smallData(60)],
    needs: !hasTensorFlow && 'tfjs-node: npm run setup:tfjs',
  },
  curve: { args: ['curve', join(root, 'models/fashion-mnist-wrn-20-1'), '-o', out('curve')] },
  models: { args: ['models'] },
  'data list': { args: ['data', 'list'] },
  'data get --from': {
    args: ['data', 'get', 'mnist', '--from', shared('data/mnist') ?? ''],
    needs: !shared('data/mnist') && 'shared/data/mnist',
  },
  'data verify': { args: ['data', 'verify'] },
  'doctor, which tries every runtime': { args: ['doctor', ...(findBrowser() ? ['--software-gpu'] : [])] },
};

/** Opened for writing and no files of anybody's: devices, shared memory, the process's own settings. */
const devices = /^\/(dev|proc)\//;

function expectPrivate({ status, stderr, written, called }: Traced): void {
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(called).toEqual([]);
  expect(written.filter((path) => !path.startsWith(`${folder}/`) && !devices.test(path))).toEqual([]);
  expect(owned.flatMap((path) => readdirSync(path, { recursive: true, encoding: 'utf8' }))).toEqual([]);
}

for (const [name, { args, after = [], more, needs }] of Object.entries(rows)) {
  const missing = hasStrace ? needs : 'strace';
  if (missing) test.skip(`${name} [needs ${missing}]`, () => {});
  else
    test(name, async () => {
      for (const before of after) expect(spawnSync(process.execPath, [cli, ...before, '--force'], { env }).status).toBe(0);
      expectPrivate(trace([process.execPath, cli, ...args, ...((await more?.()) ?? [])], env));
    });
}

test('the library, in a process of its own', { skip: !hasStrace }, () => {
  const script = `
    import { readFile } from 'node:fs/promises';
    import { readModel, toOnnx, verifyExport } from 'wrn-onnx';
    const model = readModel(await readFile(${JSON.stringify(network)}));
    await verifyExport(toOnnx(model), { model });`;
  expectPrivate(trace([process.execPath, '--input-type=module', '-e', script], env));
});

test('the example for Node', { skip: !hasStrace }, () => {
  expect(spawnSync(process.execPath, [cli, 'export', network, '--input', 'nhwc-uint8', '-o', out('uint8.onnx')], { env }).status).toBe(0);
  expectPrivate(trace([process.execPath, join(root, 'examples/node.mjs'), out('uint8.onnx'), join(root, 'examples/ship.png')], env));
});
