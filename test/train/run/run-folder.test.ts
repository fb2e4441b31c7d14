/** A file of a run is the old one or the new one, whole, whatever happens while it is written. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { UsageError } from '../../../src/errors.ts';
import { RunFolder } from '../../../src/train/run/run-folder.ts';
import { folderWith } from '../../data/crafted.ts';
import { testOnDisk } from '../../small-disk.ts';

const built = fileURLToPath(new URL('../../../dist/src/train/run/run-folder.js', import.meta.url));
const BYTES = 32 * 2 ** 20;

test('a process that is killed while it writes leaves the file before', async () => {
  const path = await folderWith();
  const folder = new RunFolder(path);
  folder.write('checkpoint', Buffer.alloc(BYTES, 1));
  const script = `import { RunFolder } from ${JSON.stringify(built)};
    for (let i = 2; ; i = (i + 1) % 256) new RunFolder(process.argv[1]).write('checkpoint', Buffer.alloc(${BYTES}, i));`;
  let torn = 0;
  for (let kill = 0; kill < 6; kill++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], { stdio: 'ignore' });
    const exit = once(child, 'exit');
    while (!existsSync(join(path, 'checkpoint.partial'))) await sleep(1);
    await sleep(kill * 7);
    child.kill('SIGKILL');
    await exit;
    if (existsSync(join(path, 'checkpoint.partial'))) torn++;
    const bytes = readFileSync(join(path, 'checkpoint'));
    expect(bytes.length).toBe(BYTES);
    expect(bytes.equals(Buffer.alloc(BYTES, bytes[0]))).toBe(true);
  }
  expect(torn).toBeGreaterThan(0); // else nothing was shown
  folder.write('checkpoint', Buffer.from('new'));
  expect(readdirSync(path)).toEqual(['checkpoint']);
});

testOnDisk('size=1m', 'a full disk is an error in words, and the file before stays', async (path) => {
  const folder = new RunFolder(path);
  const old = Buffer.alloc(500_000, 1);
  folder.write('checkpoint', old);
  expect(() => folder.write('checkpoint', Buffer.alloc(700_000, 2))).toThrow(UsageError);
  expect(() => folder.write('checkpoint', Buffer.alloc(700_000, 2))).toThrow('the disk is full');
  expect(readFileSync(join(path, 'checkpoint')).equals(old)).toBe(true);
  expect(readdirSync(path)).toEqual(['checkpoint']);
  expect(folder.freeBytes).toBeGreaterThan(400_000);
  expect(folder.freeBytes).toBeLessThan(600_000);
});

testOnDisk('size=1m,ro', 'a folder that cannot be written is refused when it is opened', async (path) => {
  await expect(new RunFolder(path).claim()).rejects.toThrow('its file system is read-only');
});

test('a file in the place of the folder is refused', async () => {
  const path = await folderWith({ file: 'text' });
  await expect(new RunFolder(join(path, 'file', 'run')).claim()).rejects.toThrow(UsageError);
  await expect(new RunFolder(join(path, 'file')).claim()).rejects.toThrow('file: cannot be used, a file of this name exists');
  writeFileSync(join(path, 'log.jsonl'), '{"kind":"epoch","epoch":1}\n');
  expect(() => new RunFolder(path).readLog()).toThrow('log.jsonl line 1: expected a log entry (kind epoch or test)');
});

test.skipIf(!existsSync('/proc'))('a folder that the system will not make is refused at once (needs /proc)', async () => {
  await expect(new RunFolder('/proc/wrn-onnx/run').claim()).rejects.toThrow(
    '/proc/wrn-onnx/run: cannot be used, the folder does not exist',
  );
});

test('folders that were made for a run that did not begin are taken away', async () => {
  const parent = await folderWith();
  for (const path of ['a/b/c', 'a/.', 'a/../b/']) {
    const folder = new RunFolder(join(parent, 'x', '..') + sep + path);
    await folder.claim();
    folder.release();
    expect(readdirSync(parent)).toEqual([]);
  }
  const path = join(parent, 'run');
  for (const file of [undefined, 'checkpoint']) {
    const folder = new RunFolder(path);
    await folder.claim();
    expect(readdirSync(path)).toEqual(['lock']);
    if (file) folder.write(file, Buffer.from('some'));
    folder.release();
    expect(existsSync(path)).toBe(file !== undefined);
  }
});

test('a damaged checkpoint is named', async () => {
  const path = await folderWith({ 'checkpoint.safetensors': 'some' });
  expect(() => new RunFolder(path).readCheckpoint()).toThrow(`safetensors ${join(path, 'checkpoint.safetensors')} header: expected`);
  const folders = await folderWith({ 'checkpoint.safetensors/file': '', 'log.jsonl/file': '' });
  expect(() => new RunFolder(folders).readCheckpoint()).toThrow('checkpoint.safetensors: expected a file, got a folder');
  expect(() => new RunFolder(folders).readLog()).toThrow('log.jsonl: expected a file, got a folder');
});
