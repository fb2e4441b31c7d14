import { readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { folderWith } from '../data/crafted.ts';
import { testWith } from '../shared.ts';
import { run } from './run.ts';

const data = (folder: string, ...args: string[]) => run(['data', ...args], { env: { WRN_ONNX_DATA: folder } });

test('list: a row per data set, in words and in JSON', async () => {
  const folder = await folderWith();
  const human = await data(folder, 'list');
  expect(human).toMatchObject({ status: 0, stderr: '' });
  for (const name of ['cifar-10', 'cifar-100', 'mnist', 'fashion-mnist', 'svhn', 'imagenet32', 'imagenet'])
    expect(human.stdout).toContain(` ${name} `);
  expect(human.stdout).toContain(folder);
  const rows: unknown = JSON.parse((await data(folder, 'list', '--format', 'json')).stdout);
  expect(rows).toHaveLength(7);
  expect(rows).toContainEqual({
    name: 'mnist',
    trainImages: 60_000,
    testImages: 10_000,
    shape: [1, 28, 28],
    classes: 10,
    byHand: false,
    downloadBytes: 11_594_722,
    bytes: 54_950_048,
    license: 'CC BY-SA 3.0',
    path: join(folder, 'mnist'),
    present: false,
  });
});

test.skipIf(process.platform !== 'linux')('without WRN_ONNX_DATA it is the cache folder', async () => {
  const folder = await folderWith();
  const { stdout } = await run(['data', 'list'], { env: { WRN_ONNX_DATA: '', XDG_CACHE_HOME: folder } });
  expect(stdout).toContain(`in ${join(folder, 'wrn-onnx', 'data')}\n`);
});

testWith('data/mnist/t10k-labels-idx1-ubyte.gz', 'get --from, list, path and verify', async (file) => {
  const folder = await folderWith();
  const path = join(folder, 'mnist');
  const get = await data(folder, 'get', 'mnist', '--from', dirname(file));
  expect(get).toEqual({ status: 0, stderr: '', stdout: `mnist: verified, in ${path}\n` });
  expect(await data(folder, 'get', 'mnist', '--format', 'json')).toMatchObject({
    status: 0,
    stdout: `${JSON.stringify([{ name: 'mnist', path, fetched: false }], null, 2)}\n`,
  });
  expect(JSON.parse((await data(folder, 'list', '--format', 'json')).stdout)).toContainEqual(
    expect.objectContaining({ name: 'mnist', present: true }),
  );
  expect(await data(folder, 'path', 'mnist')).toEqual({ status: 0, stderr: '', stdout: `${path}\n` });
  expect(await data(folder, 'verify')).toEqual({ status: 0, stderr: '', stdout: 'mnist: all checksums match\n' });

  await writeFile(join(path, 't10k-labels-idx1-ubyte'), Buffer.alloc(10_008));
  const damaged = await data(folder, 'verify', 'mnist', '--format', 'json');
  expect(damaged.status).toBe(5);
  expect(JSON.parse(damaged.stdout)).toEqual([
    { name: 'mnist', path, problem: expect.stringMatching(/t10k-labels-idx1-ubyte: expected SHA-256/) },
  ]);
  expect(damaged.stderr).toBe('wrn-onnx: mnist: expected other checksums. Download again with: wrn-onnx data get mnist\n');
});

test.each([
  [
    'path of what is not here',
    ['path', 'mnist'],
    3,
    /^wrn-onnx: data set mnist: expected it in .*, got nothing\. Get it with: wrn-onnx data get mnist\n$/,
  ],
  ['an unknown name', ['get', 'imagenette'], 2, /Allowed choices are cifar-10, cifar-100, mnist, fashion-mnist/],
  [
    'a set that needs an account',
    ['get', 'imagenet'],
    5,
    /^wrn-onnx: imagenet: cannot be downloaded automatically\. With an account .* into .*imagenet\/train, with one folder per class, .*imagenet\/val, and .*imagenet\/ILSVRC2012_devkit_t12\n$/,
  ],
  ['no name', ['get'], 2, /missing required argument 'names'/],
  ['an unknown command', ['fetch', 'mnist'], 2, /unknown command|too many arguments|error: /],
  [
    'an empty folder to take from',
    ['get', 'mnist', '--from', 'EMPTY'],
    5,
    /^wrn-onnx: mnist: expected train-images-idx3-ubyte in .*, got no such file\n$/,
  ],
  [
    'no folder to take from',
    ['get', 'mnist', '--from', 'EMPTY/none'],
    3,
    /^wrn-onnx: file .*none: expected a file or folder, got nothing at this path\n$/,
  ],
])('%s: one line and exit code', async (_, args, status, message) => {
  const folder = await folderWith();
  const result = await data(folder, ...args.map((arg) => arg.replace('EMPTY', folder)));
  expect(result).toMatchObject({ status, stdout: '' });
  expect(result.stderr).toMatch(message);
  expect(await readdir(folder)).toEqual([]);
});

testWith('data/cifar-10-binary.tar.xz', 'Ctrl-C: exit code 130, nothing half-written', async (file) => {
  const folder = await folderWith();
  const result = await run(['data', 'get', 'cifar-10', '--from', dirname(file)], {
    env: { WRN_ONNX_DATA: folder },
    onStart: async (child) => {
      await expect.poll(() => readdir(folder), { timeout: 20_000 }).toHaveLength(1); // it has begun to write
      child.kill('SIGINT');
    },
  });
  expect(result).toEqual({ status: 130, stdout: '', stderr: 'wrn-onnx: interrupted\n' });
  expect(await readdir(folder)).toEqual([]);
});

test.each([[[]], [['list']], [['get']], [['verify']], [['path']]])('help of data %j has an example', async (args) => {
  const { status, stdout } = await run(['data', ...args, '--help']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/Example:\n {2}\$ .*wrn-onnx /);
});
