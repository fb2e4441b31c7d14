/** The examples for phones and for Triton, as far as they run without either. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readClassifier } from '../../eval/runtime/model-input.ts';
import { run } from '../cli/run.ts';
import { hasPython, npmFolder, runPython, SET_UP_TIMEOUT } from './environment.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'wrn-deployment-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const example = join(root, 'examples/react-native/classify.ts');

beforeAll(async () => {
  await run(['export', 'cifar-10-wrn-20-1', '--form', 'inline', '--batch', '1', '-o', at('phone.onnx')]);
  await run(['export', 'cifar-10-wrn-20-1', '--input', 'nhwc-uint8', '-o', at('server.onnx')]);
});

test(
  'React Native: the example has the types of onnxruntime-react-native',
  async () => {
    const packages = await npmFolder({ name: 'react-native', packages: ['onnxruntime-react-native@1.24.3', '--legacy-peer-deps'] });
    copyFileSync(example, join(packages, 'classify.ts'));
    const options = {
      noEmit: true,
      strict: true,
      skipLibCheck: true,
      target: 'es2022',
      module: 'esnext',
      moduleResolution: 'bundler',
      types: [],
    };
    writeFileSync(join(packages, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['classify.ts'] }));
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', packages], { stdio: 'pipe' });
  },
  SET_UP_TIMEOUT,
);

test('React Native: with onnxruntime-node in place of its twin for phones, the example gives the answer of predict', async () => {
  await build({
    entryPoints: [example],
    outfile: at('classify.mjs'),
    bundle: true,
    format: 'esm',
    plugins: [
      {
        name: 'twin',
        setup: ({ onResolve }) =>
          onResolve({ filter: /^onnxruntime-react-native$/ }, () => ({ path: import.meta.resolve('onnxruntime-node'), external: true })),
      },
    ],
  });
  const { load, classify } = await import(pathToFileURL(at('classify.mjs')).href);
  const ship = at('ship.png');
  await sharp(join(root, 'examples/ship.png')).resize(32, 32).toFile(ship);
  const { data, info } = await sharp(ship).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const session = await load(at('phone.onnx'));
  const got = await classify(session, { width: info.width, height: info.height, data });
  await session.release();
  const { stdout } = await run(['predict', at('phone.onnx'), ship, '--top', '1', '--format', 'json']);
  const [expected] = JSON.parse(stdout).results[0].classes;
  expect(got.index).toBe(expected.index);
  expect(got.probability).toBeCloseTo(expected.probability, 5);
});

test.skipIf(!hasPython)(
  `Triton: its schema reads config.pbtxt, which fits the file${hasPython ? '' : ' [needs Python 3.11 with venv]'}`,
  async () => {
    const environment = { name: 'triton', packages: ['tritonclient[grpc]==2.73.0'] };
    const [config] = await runPython<readonly object[]>('triton_config.py', [join(root, 'examples/triton/config.pbtxt')], environment);
    const { input, output, classes } = readClassifier(readFileSync(at('server.onnx')));
    expect(input.fixedBatch).toBeUndefined();
    expect(config).toMatchObject({
      platform: 'onnxruntime_onnx',
      maxBatchSize: 64,
      input: [{ name: input.name, dataType: 'TYPE_UINT8', dims: [input.height, input.width, input.channels].map(String) }],
      output: [{ name: output, dataType: 'TYPE_FP32', dims: [String(classes)] }],
    });
  },
  SET_UP_TIMEOUT,
);
