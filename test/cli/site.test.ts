import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { DataType, encodeModel } from '../../proto/onnx.ts';
import { folderWith } from '../data/crafted.ts';
import { randomModel } from '../network/random-model.ts';
import { cli, run } from './run.ts';

const small = toOnnx(randomModel(), { form: 'packed', input: 'nchw-float' });

test('site writes a folder, replaces only one of its own, and names what it holds', async () => {
  const folder = await folderWith({ 'a.onnx': small, 'b/a.onnx': small });
  const out = join(folder, 'public');
  const args = ['site', join(folder, 'a.onnx'), join(folder, 'b/a.onnx'), '-o', out, '--title', '<b>Ours & "theirs"</b>'];
  const first = await run([...args, '--format', 'json']);
  expect(first.status, first.stderr).toBe(0);
  const { files, networks } = JSON.parse(first.stdout) as { files: string[]; networks: { id: string; runtime: string; bytes: number }[] };
  expect(networks.map(({ id, runtime, bytes }) => [id, runtime, bytes])).toEqual([
    ['a', 'onebit', small.length],
    ['a-2', 'onebit', small.length],
  ]);
  expect(readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((path) => files.includes(path.replaceAll('\\', '/')))).toHaveLength(
    files.length,
  );
  expect(readFileSync(join(out, 'index.html'), 'utf8')).toContain('<title>&#60;b&#62;Ours &#38; &#34;theirs&#34;&#60;/b&#62;</title>');
  expect(files.some((path) => path.startsWith('ort/'))).toBe(false);
  expect(readdirSync(folder).sort()).toEqual(['a.onnx', 'b', 'public']); // nothing is left beside it

  const again = await run(args);
  expect([again.status, again.stderr]).toEqual([2, expect.stringContaining('Use --force to replace it')]);
  writeFileSync(join(out, 'models/old.onnx'), '');
  expect((await run([...args, '--force'])).status).toBe(0);
  expect(existsSync(join(out, 'models/old.onnx'))).toBe(false);

  mkdirSync(join(folder, 'photos'));
  writeFileSync(join(folder, 'photos/one.jpg'), '');
  const other = await run(['site', join(folder, 'a.onnx'), '-o', join(folder, 'photos'), '--force']);
  expect([other.status, other.stderr]).toEqual([2, expect.stringContaining('holds one.jpg, which this command does not write')]);
  expect(readdirSync(join(folder, 'photos'))).toEqual(['one.jpg']);
});

test('a model that is no classifier of pictures is refused, and nothing is written', async () => {
  const value = (name: string, ...dims: number[]) => ({
    name,
    type: { tensor_type: { elem_type: DataType.FLOAT, shape: { dim: dims.map((dim_value) => ({ dim_value })) } } },
  });
  const relu = encodeModel({
    ir_version: 8,
    opset_import: [{ domain: '', version: 17 }],
    graph: { name: 'g', node: [{ op_type: 'Relu', input: ['x'], output: ['y'] }], input: [value('x', 1, 5)], output: [value('y', 1, 5)] },
  });
  const folder = await folderWith({ 'relu.onnx': relu });
  const { status, stderr } = await run(['site', join(folder, 'relu.onnx'), '-o', join(folder, 'public')]);
  expect(status).toBe(3);
  expect(stderr).toMatch(/relu\.onnx input x: expected images of a fixed size, \[batch, 3, height, width\], got \[1, 5\]\n$/);
  expect(readdirSync(folder)).toEqual(['relu.onnx']);
});

test('serve prints its address, isolates the page, answers to nobody else, and ends clean', async () => {
  const folder = await folderWith({ 'small.onnx': small });
  const child = spawn(process.execPath, [cli, 'serve', join(folder, 'small.onnx'), '--port', '0', '--quiet'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  const [line] = await once(child.stdout, 'data');
  const address = String(line).trim();
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  const page = await fetch(address);
  expect([page.status, page.headers.get('cross-origin-opener-policy'), page.headers.get('cross-origin-embedder-policy')]).toEqual([
    200,
    'same-origin',
    'require-corp',
  ]);
  expect((await fetch(`${address}sw.js`)).status).toBe(404);
  expect((await fetch(`${address}..%2f..%2fetc%2fpasswd`)).status).toBe(404);
  expect((await fetch(address, { method: 'POST', body: 'x' })).status).toBe(405);
  child.kill('SIGINT');
  expect(await ended).toEqual([0, null]);
});

test('a port in use is one line, before any work is done', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const { status, stderr } = await run(['serve', 'cifar-10-wrn-20-1', '--port', String(port)]);
  other.close();
  expect(status).toBe(2);
  expect(stderr).toBe(`wrn-onnx: port ${port} is in use by another program. Choose another with --port, or any free one with --port 0\n`);
});
