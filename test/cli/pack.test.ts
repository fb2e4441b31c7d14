/** `pack` and `unpack` as a user runs them. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { flatten } from '../../converters/onnx/layered/flatten.ts';
import { decodeModel, encodeModel, type TensorProto } from '../../proto/onnx.ts';
import { file, int64s, model, node, noise, type Parts, signs, value } from '../converters/onnx/foreign-model.ts';
import { run } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'wrn-pack-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const ours = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

beforeAll(async () => {
  const source = ours('models/fashion-mnist-wrn-20-1/model.safetensors');
  await Promise.all(['dense', 'packed'].map((form) => run(['export', source, '-o', at(`${form}.onnx`), '--form', form])));
});

test('our dense export: packed to the size of version 1, compared on images, and back', async () => {
  const images = ours('examples/fashion-mnist');
  const packed = await run(['pack', at('dense.onnx'), '-o', at('again.onnx'), '--data', images, '--limit', '40', '--format', 'json']);
  expect(packed).toMatchObject({ status: 0, stderr: '' });
  const report = JSON.parse(packed.stdout);
  expect(report).toMatchObject({ kept: [], verification: { relError: 0, data: { images: 40, agreement: 1, relError: 0 } } });
  expect(report.packed).toHaveLength(20);
  expect(report.bytesBefore).toBe(statSync(at('dense.onnx')).size);
  expect(report.bytesAfter).toBe(statSync(at('again.onnx')).size);
  const version1 = encodeModel(flatten(decodeModel(readFileSync(at('packed.onnx')))));
  expect(Math.abs(statSync(at('again.onnx')).size - version1.length)).toBeLessThan(16);
  const unpacked = await run(['unpack', at('again.onnx'), '-o', at('dense-again.onnx')]);
  expect(unpacked.stdout).toMatch(/268,048 weights of 20 layers as float32/);
  const byName = (path: string) => new Map(decodeModel(readFileSync(path)).graph?.initializer?.map((t) => [t.name, t]));
  expect(byName(at('dense-again.onnx'))).toEqual(byName(at('dense.onnx')));
});

test('a source of export, by file or by name: says which export to run', async () => {
  const name = 'fashion-mnist-wrn-20-1';
  const expected = (form: string) => ({
    status: 2,
    stderr: `wrn-onnx: ${name} is no ONNX file. Run: wrn-onnx export ${name} --form ${form} -o FILE\n`,
  });
  expect(await run(['pack', name, '-o', at('x.onnx')])).toMatchObject(expected('packed'));
  expect(await run(['unpack', name, '-o', at('x.onnx')])).toMatchObject(expected('dense'));
  const path = ours(`models/${name}/model.safetensors`);
  expect((await run(['unpack', path, '-o', at('x.onnx')])).stderr).toContain(`wrn-onnx export ${path} --form dense`);
});

/** A model with the values of its tensors in files beside it. */
function external(tensors: readonly TensorProto[], location: string): TensorProto[] {
  let offset = 0;
  return tensors.map(({ raw_data, ...tensor }) => {
    const entries = { location, offset: String(offset), length: String(raw_data?.length ?? 0) };
    offset += raw_data?.length ?? 0;
    return { ...tensor, data_location: 1, external_data: Object.entries(entries).map(([key, text]) => ({ key, value: text })) };
  });
}

const image = value('x', ['batch', 8, 9, 9]);
const tensors = [signs('w', [16, 8, 3, 3]), noise('v', [8, 16, 1, 1])];
const parts: Parts = { nodes: [node('Conv', ['x', 'w'], 'h'), node('Conv', ['h', 'v'], 'y')], tensors, inputs: [image] };

test('external data: what stays external goes to a file beside the new model, and both run', async () => {
  mkdirSync(at('there'));
  const inside = external(tensors, 'weights.bin');
  writeFileSync(at('there/weights.bin'), Buffer.concat(tensors.map(({ raw_data }) => raw_data ?? new Uint8Array())));
  writeFileSync(at('there/model.onnx'), encodeModel(model({ ...parts, tensors: inside })));
  mkdirSync(at('here'));
  const done = await run(['pack', at('there/model.onnx'), '-o', at('here/out.onnx'), '--format', 'json']);
  expect(done).toMatchObject({ status: 0, stderr: '' });
  const stored = tensors[1]?.raw_data as Uint8Array;
  const data = `out.onnx.${createHash('sha256').update(stored).digest('hex').slice(0, 16)}.data`;
  expect(readdirSync(at('here')).sort()).toEqual([data, 'out.onnx'].sort());
  expect(readFileSync(at(`here/${data}`)).equals(stored)).toBe(true);
  await (await InferenceSession.create(at('here/out.onnx'))).release();
  const speed = await run(['bench', at('there/model.onnx'), at('here/out.onnx'), '--batch', '1', '--runs', '1', '--format', 'json']);
  expect(speed).toMatchObject({ status: 0, stderr: '' });
  expect(JSON.parse(speed.stdout).measurements[0].fileBytes).toBeGreaterThan(statSync(at('there/weights.bin')).size);
  const refused = await run(['pack', at('there/model.onnx'), '-o', at('here/out.onnx')]);
  expect(refused).toMatchObject({ status: 2, stderr: `wrn-onnx: ${at('here/out.onnx')} exists. Use --force to replace it\n` });
});

test.each([
  { title: 'outside the folder', location: '../dense.onnx', message: "expected a path inside the model's folder, got one outside" },
  { title: 'an absolute path', location: at('bad/short.bin'), message: "expected a path inside the model's folder, got an absolute one" },
  { title: 'missing', location: 'nothing.bin', message: 'expected a file beside the model, got no such file' },
  { title: 'the folder itself', location: '.', message: 'expected a regular file, got a folder, device or pipe' },
  { title: 'a folder inside', location: 'inside', message: 'expected a regular file, got a folder, device or pipe' },
  { title: 'the folder above', location: '..', message: "expected a path inside the model's folder, got one outside" },
  { title: 'a pipe', location: 'pipe', message: 'expected a regular file, got a folder, device or pipe' },
  { title: 'a link to a device', location: 'device', message: "expected a path inside the model's folder, got one outside" },
  { title: 'a link out', location: 'out', message: "expected a path inside the model's folder, got one outside" },
  { title: 'too short', location: 'short.bin', message: 'expected 4608 bytes at 0, got a file of 3 bytes' },
])('external data $title: one line, exit code 3', async ({ location, message }) => {
  rmSync(at('bad'), { recursive: true, force: true });
  mkdirSync(at('bad/inside'), { recursive: true });
  writeFileSync(at('bad/short.bin'), 'abc');
  execFileSync('mkfifo', [at('bad/pipe')]);
  symlinkSync('/dev/zero', at('bad/device'));
  symlinkSync('../dense.onnx', at('bad/out'));
  writeFileSync(at('bad/model.onnx'), encodeModel(model({ ...parts, tensors: external(tensors, location) })));
  const before = readdirSync(at('bad'));
  for (const command of [['pack', '-o', at('bad/out.onnx')], ['predict', 'x.png'], ['bench']]) {
    const [name = '', ...args] = command;
    const { status, stdout, stderr } = await run([name, at('bad/model.onnx'), ...args]);
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  }
  expect(readdirSync(at('bad'))).toEqual(before);
});

test('a model and its data fit at every moment: other data has another name, and goes when its model is replaced', async () => {
  const save = (name: string, seeds: readonly TensorProto[]) => {
    writeFileSync(at(`pair/${name}.bin`), Buffer.concat(seeds.map(({ raw_data }) => raw_data ?? new Uint8Array())));
    writeFileSync(at(`pair/${name}`), encodeModel(model({ ...parts, tensors: external(seeds, `${name}.bin`) })));
  };
  mkdirSync(at('pair/out'), { recursive: true });
  const names = () => readdirSync(at('pair/out'));
  save('one.onnx', tensors);
  save('two.onnx', [tensors[0] as TensorProto, { ...noise('another', [8, 16, 1, 1]), name: 'v' }]);
  expect(await run(['pack', at('pair/one.onnx'), '-o', at('pair/out/net.onnx')])).toMatchObject({ status: 0 });
  const [first = ''] = names().filter((name) => name.endsWith('.data'));
  writeFileSync(at('pair/out/net.onnx.0123456789abcdef.data'), 'of a killed run');
  writeFileSync(at('pair/out/net.onnx.notes.data'), "the user's own");
  expect(await run(['pack', at('pair/two.onnx'), '-o', at('pair/out/net.onnx'), '--force'])).toMatchObject({ status: 0 });
  expect(names()).toHaveLength(3);
  expect(names()).toContain('net.onnx.notes.data');
  expect(names()).not.toContain(first);
  await (await InferenceSession.create(at('pair/out/net.onnx'))).release();
});

test('what was packed, what was not and why, and what was saved, in words', async () => {
  writeFileSync(at('source.onnx'), file(parts));
  const { status, stdout } = await run(['pack', at('source.onnx'), '-o', at('words.onnx')]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/│ h +│ Conv │ 16x8x3x3 │ +1,152 │ +1 │ +4,608 │ +180 │/);
  expect(stdout).toMatch(/│ y +│ Conv │ v +│ takes more than three values │/);
  const [before, after] = ['source.onnx', 'words.onnx'].map((name) => statSync(at(name)).size.toLocaleString('en-US'));
  expect(stdout).toContain(`1 of 2 layers packed\n  ${after} bytes instead of ${before}, `);
});

test('a file too small to gain says so', async () => {
  const small: Parts = { nodes: [node('Conv', ['x', 'w'], 'y')], tensors: [signs('w', [8, 8, 3, 3])], inputs: [image] };
  writeFileSync(at('small.onnx'), file(small));
  const { stdout } = await run(['pack', at('small.onnx'), '-o', at('larger.onnx')]);
  expect(stdout).toContain('not smaller: there is too little to pack');
});

test('a model that takes one image only, whatever it says: one line, exit code 3', async () => {
  const one: Parts = {
    nodes: [node('Reshape', ['x', 'shape'], 'h'), node('MatMul', ['h', 'w'], 'y')],
    tensors: [{ ...int64s([1, 784]), name: 'shape' }, signs('w', [784, 10])],
    inputs: [value('x', ['batch', 1, 28, 28])],
  };
  const proto = model(one);
  proto.graph = { ...proto.graph, output: [value('y', ['batch', 10])] };
  writeFileSync(at('one.onnx'), encodeModel(proto));
  const source = ours('examples/fashion-mnist');
  const { status, stderr } = await run(['pack', at('one.onnx'), '-o', at('never.onnx'), '--data', source, '--limit', '4']);
  expect(stderr).toMatch(/^wrn-onnx: onnx input x: expected a model that takes 4 images at once, got .*reshape.*\n$/i);
  expect(status).toBe(3);
});

test('external data of terabytes, which a file of holes may have: one line, exit code 3', async () => {
  mkdirSync(at('holes'));
  writeFileSync(at('holes/weights.bin'), '');
  truncateSync(at('holes/weights.bin'), 2 ** 41);
  const [w] = external([{ ...tensors[0], name: 'w', dims: [2 ** 36, 8, 1, 1], raw_data: new Uint8Array() }], 'weights.bin');
  const large = { ...w, external_data: [{ key: 'location', value: 'weights.bin' }] };
  writeFileSync(at('holes/model.onnx'), encodeModel(model({ ...parts, nodes: [node('Conv', ['x', 'w'], 'y')], tensors: [large] })));
  const { status, stderr } = await run(['pack', at('holes/model.onnx'), '-o', at('holes/out.onnx')]);
  expect(stderr).toBe('wrn-onnx: onnx tensor w: expected at most 4294967296 bytes of external data, got 2199023255552\n');
  expect(status).toBe(3);
});

const broken = node('Conv', ['x', 'w'], 'y', { group: 3 });
const matmul = [node('MatMul', ['x', 'w'], 'y')];
test.each([
  { title: 'no ONNX file', bytes: Buffer.from('hello world'), status: 3, message: 'onnx' },
  { title: 'nothing to pack', bytes: file({ ...parts, nodes: [node('Relu', ['x'], 'y')] }), status: 3, message: 'got none' },
  { title: 'an old operator set', bytes: file({ ...parts, opset: 6 }), status: 3, message: 'expected operator set 10 or newer, got 6' },
  {
    title: 'a model that no runtime runs',
    bytes: file({ ...parts, nodes: [broken] }),
    status: 3,
    message: 'expected a model that',
  },
  {
    title: 'an input of a fixed size beyond any memory',
    bytes: file({ ...parts, inputs: [value('x', [1, 2 ** 20, 2 ** 20, 64])], nodes: matmul, tensors: [signs('w', [64, 40])] }),
    status: 3,
    message: 'onnx inputs: expected at most 67108864 values in all, got 70368744177664',
  },
  {
    title: 'five free sizes, none of which fits',
    bytes: file({ ...parts, inputs: [value('x', ['a', 'b', 'c', 'd', 'e'])], nodes: matmul, tensors: [signs('w', [33, 64])] }),
    status: 3,
    message:
      'onnx inputs: expected a model that takes random inputs of b, c, d, e = 32, 224, 64, 128, 16, 8, 4, 1, 256, 512 (choose others with --shape b=N), got',
  },
])('$title: one line, exit code $status', async ({ bytes, status, message }) => {
  writeFileSync(at('source.onnx'), bytes);
  const result = await run(['pack', at('source.onnx'), '-o', at('never.onnx')]);
  expect(result).toMatchObject({ status, stdout: '' });
  expect(result.stderr).toContain(message);
  expect(result.stderr.trim().split('\n')).toHaveLength(1);
  expect(readdirSync(folder).filter((name) => name.includes('never'))).toEqual([]);
});

test('unpack refuses a file without packed weights', async () => {
  const { status, stderr } = await run(['unpack', at('dense.onnx'), '-o', at('never.onnx')]);
  expect({ status, stderr }).toEqual({ status: 3, stderr: 'wrn-onnx: onnx graph: expected weights stored as bits, got none\n' });
});

test('--limit without images to limit is refused', async () => {
  const { status, stderr } = await run(['pack', at('dense.onnx'), '-o', at('never.onnx'), '--limit', '5']);
  expect({ status, stderr }).toEqual({ status: 2, stderr: 'wrn-onnx: --limit needs --data\n' });
});
