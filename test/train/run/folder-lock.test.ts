/** Two processes never write one folder, whatever machines and containers they are in, and a dead one does not keep it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { UsageError } from '../../../src/errors.ts';
import { RunFolder } from '../../../src/train/run/run-folder.ts';
import { folderWith } from '../../data/crafted.ts';
import { type Outcome, smallData, smallNetwork, trainProcess } from '../run.ts';
import { hasTensorFlow } from '../tensorflow.ts';

const built = fileURLToPath(new URL('../../../dist/src/train/run/run-folder.js', import.meta.url));
/** Longer than a holder that is gone is waited for. */
const TIMEOUT = 120_000;

/** Milliseconds between two signs of life: a fifth of the default, so that a holder that is gone is given up after 6 seconds. */
const INTERVAL = 200;

/** Claims the folder and says so; then writes what it reads to the file `result`, a line each, and says how that went. */
const script = `
  import { RunFolder } from ${JSON.stringify(built)};
  import { createInterface } from 'node:readline';
  const folder = new RunFolder(process.argv[1]);
  const attempt = async (word, action) => {
    try { await action(); console.log(word, process.pid); } catch (error) { console.log(error.name + ' ' + error.message); }
  };
  await attempt('claimed', async () => {
    (await folder.claim((line) => console.log('waits', line), ${INTERVAL}))?.addEventListener('abort', () => console.log('lost'));
  });
  for await (const line of createInterface(process.stdin)) await attempt('written', () => folder.write('result', Buffer.from(line)));
  folder.release();`;

interface Trainer {
  readonly process: ChildProcess;
  /** Next line that it says. */
  said(): Promise<string>;
  write(text: string): void;
  end(signal?: NodeJS.Signals): Promise<void>;
}

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A process that takes the folder, started by way of `wrapper`. */
function trainer(path: string, wrapper: readonly string[] = []): Trainer {
  const [command, ...args] = [...wrapper, process.execPath, '--input-type=module', '-e', script, path];
  const child = spawn(command as string, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const exit = once(child, 'exit');
  children.push(child);
  return {
    process: child,
    said: async () => String((await lines.next()).value),
    write: (text) => void child.stdin.write(`${text}\n`),
    async end(signal) {
      if (signal) child.kill(signal);
      else child.stdin.end();
      await exit;
    },
  };
}

/** Another machine, as far as a process can see: a host name of its own. */
const otherHost = ['unshare', '--uts', 'sh', '-c', 'hostname other-host && exec "$0" "$@"'];
/** A new container: process number 1, and the host name that the one before had. */
const container = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];

const namespaces = (() => {
  try {
    execFileSync(otherHost[0] as string, [...otherHost.slice(1), 'true']);
    execFileSync(container[0] as string, [...container.slice(1), 'true']);
    return true;
  } catch {
    return false;
  }
})();
const testWithNamespaces = (name: string, body: () => Promise<void>, run: typeof test | typeof test.concurrent = test.concurrent) =>
  namespaces ? run(name, body, TIMEOUT) : test.skip(`${name} [needs root on Linux, for unshare]`, () => {});

/** A folder that stays until all tests are done: those that wait run side by side. */
function runFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'wrn-onnx-lock-'));
  folders.push(path);
  return path;
}
const folders: string[] = [];
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

test('a folder is claimed by one process, until it ends or releases the lock', async () => {
  const path = join(await folderWith(), 'of', 'some', 'depth');
  const first = trainer(path);
  expect(await first.said()).toBe(`claimed ${first.process.pid}`);
  const folder = new RunFolder(path);
  await expect(folder.claim()).rejects.toThrow(UsageError);
  await expect(folder.claim()).rejects.toThrow(new RegExp(`lock: process ${first.process.pid} on .* is using this folder`));
  await first.end('SIGKILL');
  await folder.claim();
  await expect(new RunFolder(path).claim()).rejects.toThrow(`lock: process ${process.pid} on`);
  folder.release();
  expect(readdirSync(path)).toEqual([]); // the other process made it
});

testWithNamespaces('a training on another machine keeps the folder while it lives, and no longer', async () => {
  const path = runFolder();
  const far = trainer(path, otherHost);
  expect(await far.said()).toMatch(/^claimed/);
  const near = trainer(path);
  expect(await near.said()).toMatch(/^waits .*lock: process \d+ on other-host may still be training here/);
  expect(await near.said()).toMatch(/^UsageError .*lock: process \d+ on other-host is using this folder\. Stop it/);
  await near.end();
  far.write('of the far one');
  expect(await far.said()).toMatch(/^written/);
  await far.end('SIGKILL');
  const next = trainer(path);
  expect(await next.said()).toMatch(/^waits/);
  expect(await next.said()).toMatch(/^claimed/);
  next.write('of the next one');
  expect(await next.said()).toMatch(/^written/);
  await next.end();
  expect(readdirSync(path)).toEqual(['result']);
});

testWithNamespaces('a training that was suspended while its lock was taken over writes no more', async () => {
  const path = runFolder();
  const far = trainer(path, otherHost);
  expect(await far.said()).toMatch(/^claimed/);
  far.process.kill('SIGSTOP');
  const near = trainer(path);
  expect(await near.said()).toMatch(/^waits/);
  expect(await near.said()).toMatch(/^claimed/);
  near.write('of the near one');
  expect(await near.said()).toMatch(/^written/);
  far.write('of the far one');
  far.process.kill('SIGCONT');
  const said = [await far.said(), await far.said()].sort();
  expect(said[0]).toMatch(/^UsageError .*lock: expected the lock of this process, got none or another one/);
  expect(said[1]).toBe('lost');
  await far.end();
  expect(readFileSync(join(path, 'result'), 'utf8')).toBe('of the near one');
  await expect(new RunFolder(path).claim()).rejects.toThrow(`process ${near.process.pid}`); // the far one's end has not released it
  await near.end();
  expect(readdirSync(path)).toEqual(['result']);
});

if (hasTensorFlow) {
  testWithNamespaces(
    'a training that is resumed elsewhere while it is suspended ends in one line, and harms nothing',
    async () => {
      const data = await smallData(60);
      const folder = await folderWith();
      let stopped: ChildProcess | undefined;
      let far: Promise<Outcome> | undefined;
      await new Promise<void>((resolve) => {
        far = trainProcess(
          ['--data', data, '-o', folder, ...smallNetwork, '--epochs', '254'],
          (said, child) => {
            if (stopped || !said.includes('epoch 2: loss')) return;
            stopped = child;
            child.kill('SIGSTOP');
            children.push(child);
            resolve();
          },
          otherHost,
        );
      });
      const near = await trainProcess(['--resume', '-o', folder, '--epochs', '6']);
      expect(near.stderr).toContain('on other-host may still be training here');
      expect(near.status).toBe(0);
      const files = () => readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'hex')]);
      const after = files();
      stopped?.kill('SIGCONT');
      const { status, stderr } = (await far) as Outcome;
      expect(stderr).toMatch(/\nwrn-onnx: .*lock: expected the lock of this process, got none or another one\. .*\n$/);
      expect(status).toBe(2);
      expect(files()).toEqual(after);
    },
    test,
  );
}

testWithNamespaces('a new container goes on with what a killed one has left, and not beside a living one', async () => {
  const path = runFolder();
  const old = trainer(path, container);
  expect(await old.said()).toBe('claimed 1');
  const beside = trainer(path, container);
  expect(await beside.said()).toMatch(/^waits .*process 1 on/);
  expect(await beside.said()).toMatch(/^UsageError .*process 1 on .* is using this folder/);
  await beside.end();
  await old.end('SIGKILL');
  const next = trainer(path, container);
  expect(await next.said()).toMatch(/^waits/);
  expect(await next.said()).toBe('claimed 1');
  await next.end();
});

test('of many that want a folder that a dead process has left, one gets it', async () => {
  const path = await folderWith();
  for (let round = 0; round < 5; round++) {
    const dead = trainer(path);
    expect(await dead.said()).toMatch(/^claimed/);
    await dead.end('SIGKILL');
    expect(existsSync(join(path, 'lock'))).toBe(true);
    const many = [1, 2, 3].map(() => trainer(path));
    const said = await Promise.all(many.map((one) => one.said()));
    expect(said.filter((line) => line.startsWith('claimed'))).toHaveLength(1);
    expect(
      said.filter((line) => line.includes('is using this folder')),
      said.join('; '),
    ).toHaveLength(2);
    await Promise.all(many.map((one) => one.end()));
    expect(readdirSync(path)).toEqual([]);
  }
});

test('what a process has left that ended while it took or released the lock is no hindrance', async () => {
  const token = '00000000-0000-4000-8000-000000000000';
  const path = await folderWith({ [`lock-${token}/${token}/holder`]: '1\n' });
  mkdirSync(join(path, 'lock'));
  const folder = new RunFolder(path);
  await folder.claim();
  expect(readdirSync(path)).toEqual(['lock']);
  folder.release();
});

test('what is no lock is refused', async () => {
  const path = await folderWith({ 'lock/file': '' });
  await expect(new RunFolder(path).claim()).rejects.toThrow(
    `${join(path, 'lock')}: expected the lock of a training run, got a folder with file`,
  );
  const file = await folderWith();
  writeFileSync(join(file, 'lock'), '1 host\n');
  await expect(new RunFolder(file).claim()).rejects.toThrow(
    `${join(file, 'lock')}: cannot be used, part of its path is a file, not a folder`,
  );
  const link = await folderWith();
  symlinkSync(join(link, 'nowhere'), join(link, 'lock'));
  await expect(new RunFolder(link).claim()).rejects.toThrow(
    `${join(link, 'lock')}: cannot be used, part of its path is a file, not a folder`,
  );
});
