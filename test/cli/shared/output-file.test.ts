/** What may be named as an output, and what is done with it. */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { temporaryName } from '../../../src/data/files/leftovers.ts';
import { folderWith } from '../../data/crafted.ts';
import { cli, run } from '../run.ts';

const model = fileURLToPath(new URL('../../../models/fashion-mnist-wrn-20-1/model.safetensors', import.meta.url));
const source = readFileSync(model);
/** What the command below writes into a plain file. */
let bytes: Buffer;
beforeAll(() => {
  const plain = join(mkdtempSync(join(tmpdir(), 'wrn-output-')), 'plain');
  spawnSync(process.execPath, [cli, 'import', model, '-o', plain]);
  bytes = readFileSync(plain);
  rmSync(dirname(plain), { recursive: true });
});
const posix = { skip: process.platform === 'win32' };

let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(async () => {
  folder = await folderWith({ 'source.safetensors': source });
});

/** The shortest command that writes: a model file, from the same model file. */
const importTo = (output: string, ...more: string[]) => run(['import', at('source.safetensors'), '-o', output, ...more]);
const shell = (line: string) => {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', line], {
    encoding: 'buffer',
    env: { ...process.env, NODE: process.execPath, CLI: cli },
  });
  return { status, stdout, stderr: stderr.toString() };
};

describe('devices and pipes are written through', posix, () => {
  test('a device stays one', async () => {
    expect(await importTo('/dev/null')).toMatchObject({ status: 0, stderr: '' });
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
    expect(await run(['export', at('source.safetensors'), '-o', '/dev/null', '--force'])).toMatchObject({ status: 0 });
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test('a full one is one line', async () => {
    expect(await importTo('/dev/full')).toMatchObject({
      status: 2,
      stderr: 'wrn-onnx: /dev/full: cannot be written, the disk is full\n',
    });
  });

  test('a pipe with a name gets the file', async () => {
    spawnSync('mkfifo', [at('pipe')]);
    const reader = spawn('cat', [at('pipe')], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [got, result] = await Promise.all([text(reader.stdout.setEncoding('latin1')), importTo(at('pipe'))]);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(Buffer.from(got, 'latin1').equals(bytes)).toBe(true);
    expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
  });

  test.each(['| cat', `> "$OUT"`])('stdout holds the file and nothing else: -o /dev/stdout %s', (into) => {
    const { status, stdout, stderr } = shell(`OUT=${at('out')}; "$NODE" "$CLI" import ${at('source.safetensors')} -o /dev/stdout ${into}`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('WRN-20-1') });
    expect((into === '| cat' ? stdout : readFileSync(at('out'))).equals(bytes)).toBe(true);
  });
});

describe('links', posix, () => {
  test('are followed: the file behind is written, the link stays', async () => {
    mkdirSync(at('elsewhere'));
    writeFileSync(at('elsewhere/real'), 'old');
    symlinkSync('elsewhere/real', at('link'));
    expect(await importTo(at('link'))).toMatchObject({ status: 2, stderr: `wrn-onnx: ${at('link')} exists. Use --force to replace it\n` });
    expect(await importTo(at('link'), '--force')).toMatchObject({ status: 0 });
    expect(readlinkSync(at('link'))).toBe('elsewhere/real');
    expect(readFileSync(at('elsewhere/real')).equals(bytes)).toBe(true);
  });

  test('that lead nowhere are refused', async () => {
    symlinkSync('nothing', at('link'));
    expect(await importTo(at('link'), '--force')).toMatchObject({ status: 2, stderr: expect.stringContaining('got a broken link') });
    expect(existsSync(at('nothing'))).toBe(false);
  });
});

test('a folder and a socket are refused', posix, async () => {
  mkdirSync(at('folder'));
  const server = createServer().listen(at('socket'));
  for (const name of ['folder', 'socket']) {
    const { status, stderr } = await importTo(at(name), '--force');
    expect(status).toBe(2);
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringContaining('expected')]);
  }
  server.close();
});

test.each(['source.safetensors', './source.safetensors', 'hard', 'soft'])('the source is never replaced: %s', posix, async (name) => {
  linkSync(at('source.safetensors'), at('hard'));
  symlinkSync('source.safetensors', at('soft'));
  for (const command of ['import', 'export']) {
    const { status, stderr } = await run([command, at('source.safetensors'), '-o', `${folder}/${name}`, '--force']);
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('is also an input') });
  }
  expect(readFileSync(at('source.safetensors')).equals(source)).toBe(true);
});

test('a name of 250 characters is a name; a longer one than the file system takes is one line', posix, async () => {
  expect(await importTo(at('n'.repeat(250)))).toMatchObject({ status: 0, stderr: '' });
  for (const output of ['n'.repeat(300), 'n'.repeat(5000)]) {
    const { status, stderr } = await importTo(at(output));
    expect(status).toBe(2);
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(/too long for the file system$/)]);
  }
  for (const args of [['inspect'], ['eval', '--data', 'x'], ['curve', '-o', at('c')], ['merge'], ['bench'], ['predict', model]]) {
    const { status, stderr } = await run([...args, 'n'.repeat(300)]);
    expect({ args, status, lines: stderr.trimEnd().split('\n').length }).toEqual({ args, status: 2, lines: 1 });
  }
});

describe('whatever becomes of stdout', posix, () => {
  const merge = (part: string, output: string) => `"$NODE" "$CLI" merge ${part} --report ${output}`;

  test('files are written and the exit code is the verdict', async () => {
    const part = await failedPart();
    const verdict = shell(merge(part, at('a.html')));
    expect(verdict.status).toBe(1);
    for (const [name, into] of Object.entries({ closed: '| true', full: '> /dev/full' })) {
      const { stderr } = shell(`{ ${merge(part, at(`${name}.html`))}; echo status $? >&2; } ${into}`);
      expect(stderr).toContain('status 1\n');
      expect(stderr).not.toContain('    at ');
      expect(stderr.match(/the disk is full/g)?.length ?? 0).toBe(name === 'full' ? 1 : 0);
      expect(existsSync(at(`${name}.html`))).toBe(true);
    }
  });

  /** What eval printed of two backends that part. */
  async function failedPart(): Promise<string> {
    const images = fileURLToPath(new URL('../../../examples/fashion-mnist', import.meta.url));
    expect(await run(['export', model, '-o', at('net.onnx')])).toMatchObject({ status: 0 });
    const { stdout } = await run(['eval', at('net.onnx'), '--data', images, '--limit', '8', '--backend', 'cpu,wasm', '--format', 'json']);
    const report = JSON.parse(stdout);
    report.results[1].tally.flips = 8;
    writeFileSync(at('part.json'), JSON.stringify(report));
    return at('part.json');
  }
});

describe('what killed processes left', () => {
  /** The name that a process has which is gone: that of this machine, with a number that no process has. */
  const left = () => temporaryName().replace(/-\d+-\d+-/, '-4194305-77-');

  test('is cleared by the next; what lives or is not ours stays', async () => {
    const [dead, alive, other] = [left(), temporaryName(), '.wrn-onnx-notes.tmp'];
    for (const name of [dead, alive, other]) writeFileSync(at(name), '');
    mkdirSync(at(left()));
    expect(await importTo(at('new'))).toMatchObject({ status: 0 });
    expect(readdirSync(folder).sort()).toEqual([other, alive, 'new', 'source.safetensors'].sort());
  });

  test('blocks nobody who has the same process number, as the first process of a container has', async () => {
    writeFileSync(at(temporaryName()), '');
    expect(await importTo(at('new'))).toMatchObject({ status: 0 });
  });
});
