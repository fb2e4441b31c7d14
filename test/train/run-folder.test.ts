/** A file of a run is the old one or the new one, whole, whatever happens while it is written. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { RunFolder } from '../../src/train/run-folder.ts';
import { folderWith } from '../data/crafted.ts';
import { testOnDisk } from '../small-disk.ts';

const built = fileURLToPath(new URL('../../dist/src/train/run-folder.js', import.meta.url));
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
  expect(() => folder.write('checkpoint', Buffer.alloc(700_000, 2))).toThrow('no space is left on its disk');
  expect(readFileSync(join(path, 'checkpoint')).equals(old)).toBe(true);
  expect(readdirSync(path)).toEqual(['checkpoint']);
  expect(folder.freeBytes).toBeGreaterThan(400_000);
  expect(folder.freeBytes).toBeLessThan(600_000);
});

testOnDisk('size=1m,ro', 'a folder that cannot be written is refused when it is opened', async (path) => {
  expect(() => new RunFolder(path).claim()).toThrow('its file system is read-only');
});

test('a file in the place of the folder is refused', async () => {
  const path = await folderWith({ file: 'text' });
  expect(() => new RunFolder(join(path, 'file', 'run')).claim()).toThrow(UsageError);
  expect(() => new RunFolder(join(path, 'file')).claim()).toThrow('file: cannot be used, a file is in its place');
  writeFileSync(join(path, 'log.jsonl'), '{"kind":"epoch","epoch":1}\n');
  expect(() => new RunFolder(path).readLog()).toThrow('log.jsonl line 1: expected an epoch or a test');
});

test.skipIf(!existsSync('/proc'))('a folder that the system will not make is refused at once (needs /proc)', () => {
  expect(() => new RunFolder('/proc/wrn-onnx/run').claim()).toThrow('/proc/wrn-onnx/run: cannot be used, there is no such folder');
});

test('a folder is claimed by one process, until it ends or gives it free', async () => {
  const path = join(await folderWith(), 'of', 'some', 'depth');
  const folder = new RunFolder(path);
  const script = `import { RunFolder } from ${JSON.stringify(built)};
    new RunFolder(process.argv[1]).claim(); console.log('claimed'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  expect(() => folder.claim()).toThrow(UsageError);
  expect(() => folder.claim()).toThrow(`lock: process ${child.pid} has this folder`);
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
  folder.claim();
  folder.release();
  expect(readdirSync(path)).toEqual([]); // the other process made it
});

test('what is left of a lock, by a process of another machine or half written, is taken over', async () => {
  for (const left of ['', `${process.ppid}`, `${process.ppid} another-machine\n`, `0 ${hostname()}\n`, `x ${hostname()}\n`]) {
    const path = await folderWith({ lock: left });
    new RunFolder(path).claim();
    expect(readFileSync(join(path, 'lock'), 'utf8')).toBe(`${process.pid} ${hostname()}\n`);
  }
});

test('of many that want a folder that a dead process has left, one gets it', async () => {
  const path = await folderWith();
  const script = `import { RunFolder } from ${JSON.stringify(built)};
    while (Date.now() < Number(process.argv[2]));
    try { new RunFolder(process.argv[1]).claim(); console.log('claimed'); } catch (error) { console.log(error.message); }
    process.stdin.resume();`;
  for (let round = 0; round < 5; round++) {
    writeFileSync(join(path, 'lock'), `${2 ** 30} ${hostname()}\n`); // beyond the pids that Linux gives
    const args = ['--input-type=module', '-e', script, path, String(Date.now() + 500)];
    const children = [1, 2, 3].map(() => spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
    const said = await Promise.all(children.map(async ({ stdout }) => String((await once(stdout, 'data'))[0])));
    expect(said.filter((line) => line === 'claimed\n')).toHaveLength(1);
    expect(said.filter((line) => line.includes('has this folder'))).toHaveLength(2);
    const exits = children.map((child) => once(child, 'exit'));
    for (const { stdin } of children) stdin.end();
    await Promise.all(exits);
    expect(readdirSync(path)).toEqual(['lock']);
  }
});

test('what is no lock is refused', async () => {
  const path = await folderWith({ 'lock/file': '' });
  expect(() => new RunFolder(path).claim()).toThrow(`${join(path, 'lock')}: cannot be used, a folder is in its place`);
  const other = await folderWith();
  symlinkSync(join(other, 'nowhere'), join(other, 'lock'));
  expect(() => new RunFolder(other).claim()).toThrow(`${join(other, 'lock')}: cannot be taken, remove that file`);
});

test('folders that were made for a run that did not begin are taken away', async () => {
  const parent = await folderWith();
  for (const path of ['a/b/c', 'a/.', 'a/../b/']) {
    const folder = new RunFolder(join(parent, 'x', '..') + sep + path);
    folder.claim();
    folder.release();
    expect(readdirSync(parent)).toEqual([]);
  }
  const path = join(parent, 'run');
  for (const file of [undefined, 'checkpoint']) {
    const folder = new RunFolder(path);
    folder.claim();
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
