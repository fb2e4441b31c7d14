/** Remote backends as a user runs them: a second browser process opens the printed address, and may lose its connection. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectSecure } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { findBrowser } from '../../../eval/backends/browser/find.ts';
import { readPart } from '../../../eval/merge.ts';
import { randomModel } from '../../network/random-model.ts';
import { type Run, run } from '../run.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'wrn-remote-'));
afterAll(() => rmSync(folder, { recursive: true }));
const executablePath = findBrowser();
const TIMEOUT = 240_000;
const evaluation = ['eval', 'fashion-mnist-wrn-20-1', '--data', join(root, 'examples/fashion-mnist'), '--format', 'json'];

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

/** A run that waits for its devices. */
interface Waiting {
  readonly address: string;
  readonly child: ChildProcess;
  readonly done: Promise<Run>;
  stderr(): string;
}

async function start(...args: readonly string[]): Promise<Waiting> {
  let stderr = '';
  let child: ChildProcess | undefined;
  const done = run([...evaluation, ...args], {
    onStart: (started) => {
      child = started;
      started.stderr?.on('data', (text) => {
        stderr += text;
      });
    },
  });
  ending.push(() => void child?.kill('SIGKILL'));
  await expect.poll(() => stderr, { timeout: 60_000 }).toMatch(/waiting for device/);
  return { address: /https?:\/\/\S+/.exec(stderr)?.[0] as string, child: child as ChildProcess, done, stderr: () => stderr };
}

async function openBrowser(...flags: readonly string[]): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: executablePath as string, args: ['--no-sandbox', '--no-first-run', ...flags] });
  ending.push(() => browser.close());
  return browser;
}

const gpu = [
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--ignore-gpu-blocklist',
  '--use-webgpu-adapter=swiftshader',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
];

const verdict = (page: Page) => expect.poll(() => page.locator('#status').textContent(), { timeout: TIMEOUT }).toMatch(/^Parity: pass/);

/** The certificate that a server shows. */
async function certificateOf(address: string): Promise<X509Certificate> {
  const { hostname: host, port } = new URL(address);
  const socket = connectSecure({ host, port: Number(port), rejectUnauthorized: false });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return new X509Certificate(raw);
}

describe.skipIf(!executablePath)('a second browser process [needs a browser]', () => {
  test(
    'HTTPS on loopback: wasm, WebGPU and our own kernels have parity; the page and the report name the device',
    async () => {
      const report = join(folder, 'report.html');
      const backends = 'cpu,remote-wasm,remote-webgpu,remote-onebit';
      const waiting = await start('--backend', backends, '--software-gpu', '--limit', '24', '--batch', '8', '--report', report);
      const certificate = await certificateOf(waiting.address);
      expect(waiting.stderr()).toContain(certificate.fingerprint256);
      expect(waiting.stderr()).toMatch(/[█▀▄]{8}/); // the QR code
      const key = createHash('sha256')
        .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
        .digest('base64');
      const page = await (await openBrowser(...gpu, `--ignore-certificate-errors-spki-list=${key}`)).newPage();
      await page.goto(waiting.address);
      expect(await page.evaluate('isSecureContext && crossOriginIsolated')).toBe(true);
      await verdict(page);
      const { status, stdout, stderr } = await waiting.done;
      expect(status, stderr).toBe(0);
      const { results, verdict: parity } = JSON.parse(stdout);
      expect(parity).toBe('pass');
      expect(results.map(({ backend, images }: { backend: string; images: number }) => [backend, images])).toEqual(
        backends.split(',').map((backend) => [backend, 24]),
      );
      for (const { detail } of results.slice(1)) expect(detail).toMatch(/^Chrome \d+ on \w+, .*SwiftShader/);
      expect(results[2].detail).toContain('WebGPU on google swiftshader');
      expect(readFileSync(report, 'utf8')).toContain(results[2].detail.split(',')[0]);
    },
    TIMEOUT,
  );

  test(
    'the browser is killed in the middle and opened again: each image is counted once',
    async () => {
      const waiting = await start('--backend', 'cpu,remote-onebit', '--limit', '1000', '--batch', '4', '--http');
      const first = await chromium.launchServer({ executablePath: executablePath as string, args: ['--no-sandbox', '--no-first-run'] });
      ending.push(() => first.kill());
      const lost = await (await chromium.connect(first.wsEndpoint())).newPage();
      await lost.goto(waiting.address);
      await expect.poll(() => lost.locator('#progress').getAttribute('value'), { timeout: 60_000 }).toMatch(/^[1-9]/);
      await first.kill();
      await expect.poll(waiting.stderr, { timeout: 30_000 }).toContain('device 1 is not connected');
      const page = await (await openBrowser()).newPage();
      await page.goto(waiting.address);
      await verdict(page);
      const { status, stdout, stderr } = await waiting.done;
      expect(status, stderr).toBe(0);
      expect(stderr).toContain('device 1 is back');
      expect(JSON.parse(stdout)).toMatchObject({ images: 1000, verdict: 'pass', results: [{ images: 1000 }, { images: 1000, flips: 0 }] });
    },
    TIMEOUT,
  );

  test(
    'a network that drops every connection again and again: the run ends with the same result',
    async () => {
      const waiting = await start('--backend', 'cpu,remote-onebit', '--limit', '200', '--batch', '4', '--http');
      const proxy = await droppingProxy(Number(new URL(waiting.address).port));
      const page = await (await openBrowser()).newPage();
      const through = new URL(waiting.address);
      through.port = String((proxy.server.address() as AddressInfo).port);
      await page.goto(through.href);
      await page.locator('text=Device 1').waitFor();
      let cut = 0;
      const cutting = setInterval(() => {
        cut += proxy.drop();
      }, 150);
      ending.push(() => clearInterval(cutting));
      await expect.poll(() => cut, { timeout: 60_000 }).toBeGreaterThan(5);
      clearInterval(cutting);
      const { status, stdout, stderr } = await waiting.done;
      expect(status, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ images: 200, verdict: 'pass', results: [{ images: 200 }, { images: 200, flips: 0 }] });
    },
    TIMEOUT,
  );

  test(
    'two devices get a row each, which later commands read',
    async () => {
      const waiting = await start('--backend', 'cpu,remote-onebit', '--devices', '2', '--limit', '32', '--http');
      const browser = await openBrowser();
      const pages = [await (await browser.newContext()).newPage(), await (await browser.newContext()).newPage()];
      for (const page of pages) await page.goto(waiting.address);
      const third = await (await browser.newContext()).newPage();
      await third.goto(waiting.address);
      await expect.poll(() => third.locator('#status').textContent()).toMatch(/All places of this run are taken|This run has ended|Parity/);
      for (const page of pages) await verdict(page);
      const { status, stdout, stderr } = await waiting.done;
      expect(status, stderr).toBe(0);
      const { subject, runs } = readPart(Buffer.from(stdout), 'remote.json');
      expect(subject.backends).toEqual(['cpu', 'remote-onebit', 'remote-onebit#2']);
      expect(runs.map(({ backend }) => backend)).toEqual(subject.backends);
    },
    TIMEOUT,
  );
});

/** Passes connections on to a port of this machine, and cuts those that there are when asked. */
async function droppingProxy(port: number): Promise<{ server: Server; drop(): number }> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from
        .on('error', () => {})
        .once('close', () => {
          sockets.delete(from);
          to.destroy();
        });
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  ending.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    server,
    drop() {
      const count = sockets.size;
      for (const socket of sockets) socket.resetAndDestroy();
      return count;
    },
  };
}

const firefox = ['/usr/bin/firefox-esr', '/usr/bin/firefox'].find((path) => existsSync(path));

test.skipIf(!firefox)(
  `Firefox, opened with the address and no driver, runs wasm and our kernels${firefox ? '' : ' [needs firefox-esr]'}`,
  async () => {
    const waiting = await start('--backend', 'cpu,remote-wasm,remote-onebit', '--limit', '32', '--http');
    const profile = mkdtempSync(join(folder, 'firefox-'));
    const browser = spawn(firefox as string, ['--headless', '--no-remote', '--profile', profile, waiting.address], {
      stdio: 'ignore',
      detached: true, // a group of its own, to end all of its processes
      env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' },
    });
    const gone = new Promise((resolve) => browser.once('exit', resolve));
    ending.push(async () => {
      if (browser.pid !== undefined && browser.exitCode === null) process.kill(-browser.pid, 'SIGKILL'); // its own group alone
      await gone;
    });
    const { status, stdout, stderr } = await waiting.done;
    expect(status, stderr).toBe(0);
    const { results, verdict: parity } = JSON.parse(stdout);
    expect(parity).toBe('pass');
    for (const { detail } of results.slice(1)) expect(detail).toMatch(/^Firefox \d+ on /);
  },
  TIMEOUT,
);

test('Ctrl-C while nobody has joined ends at once', async () => {
  const waiting = await start('--backend', 'cpu,remote-wasm', '--limit', '8');
  waiting.child.kill('SIGINT');
  const { status, stderr } = await waiting.done;
  expect(status).toBe(130);
  expect(stderr.trim().split('\n').at(-1)).toContain('interrupted');
}, 90_000);

writeFileSync(join(folder, 'small.onnx'), toOnnx(randomModel({ depth: 8, width: 1 })));
const shortly = [...evaluation, '--limit', '8'];
test.each([
  {
    args: [...shortly, '--backend', 'cpu', '--host', '127.0.0.1'],
    message: '--host needs a remote backend, such as --backend cpu,remote-wasm',
  },
  { args: [...shortly, '--devices', '2'], message: '--devices needs a remote backend' },
  {
    args: [...shortly, '--backend', 'cpu,remote-wasm', '--host', 'wlan77'],
    message: '--host wlan77: expected an IP address or a network interface',
  },
  { args: [...shortly, '--backend', 'cpu,remote-wasm', '--port', '70000'], message: 'expected a port, 0 to 65535' },
  { args: [...shortly, '--backend', 'cpu,remote-wasm#2'], message: 'unknown backend remote-wasm#2' },
  { args: [...shortly, '--backend', 'cpu,remote-wasm', '--bisect'], message: 'use it with wrn-onnx eval' },
  { args: ['predict', 'fashion-mnist-wrn-20-1', 'x.png', '--backend', 'remote-wasm'], message: "'remote-wasm' is invalid" },
  {
    args: ['bench', join(folder, 'small.onnx'), '--backend', 'remote-wasm'],
    message: 'remote-wasm waits for a device: use it with wrn-onnx eval',
  },
])('refused: $message', async ({ args, message }) => {
  const { status, stderr } = await run(args);
  expect(stderr).toContain(message);
  expect(status).toBe(2);
});

test('a port in use is refused', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const { status, stderr } = await run([...shortly, '--backend', 'cpu,remote-wasm', '--port', String(port)]);
  server.close();
  expect(stderr).toContain(`wrn-onnx: port ${port} of 127.0.0.1 is in use. Choose another with --port, or leave it out`);
  expect(status).toBe(2);
});
