/** The package as its users get it: packed, installed from the registry into an empty folder, compiled, bundled and run in a browser. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import commonjs from '@rollup/plugin-commonjs';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { build as esbuild } from 'esbuild';
import { chromium } from 'playwright-core';
import { rollup } from 'rollup';
import { build as vite } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { webpack } from 'webpack';
import { toOnnx } from '../../converters/onnx/write.ts';
import { readModel } from '../../converters/read.ts';
import { findBrowser } from '../../eval/backends/browser/find.ts';
import { sha256 } from '../../src/formats/builtin/node.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const npm = (args: readonly string[], cwd: string) =>
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
const reachable = spawnSync('npm', ['ping', '--fetch-retries=0', '--fetch-timeout=10000'], { cwd: root, stdio: 'ignore' }).status === 0;
const browser = findBrowser();

const app = mkdtempSync(join(tmpdir(), 'wrn-app-'));
const installed = join(app, 'node_modules/wrn-onnx');
afterAll(() => rmSync(app, { recursive: true, force: true }));

describe.skipIf(!reachable)(`installed in an empty folder${reachable ? '' : ' [needs the npm registry]'}`, () => {
  beforeAll(() => {
    const [{ filename }] = JSON.parse(npm(['pack', '--json', '--ignore-scripts', '--pack-destination', app], root)); // npm test has built it
    writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
    npm(['install', '--foreground-scripts', join(app, filename), '@types/node@20'], app); // with install scripts on
    cpSync(join(root, 'test/package/app'), app, { recursive: true });
  }, 300_000);

  test('no package that is optional or has an install script comes along, and all together are small', () => {
    const { packages } = JSON.parse(readFileSync(join(app, 'package-lock.json'), 'utf8'));
    const names = Object.keys(packages).map((path) => path.replace(/^.*node_modules\//, ''));
    const { peerDependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    expect(names.filter((name) => Object.hasOwn(peerDependencies, name))).toEqual([]);
    const scripts = Object.entries<{ hasInstallScript?: boolean }>(packages).flatMap(([path, entry]) =>
      entry.hasInstallScript ? [basename(path)] : [],
    );
    expect(scripts.filter((name) => name !== 'protobufjs')).toEqual([]); // its script prints a line
    expect(sizeOf(join(app, 'node_modules'))).toBeLessThan(50e6);
  });

  test('every entry is importable with nothing else installed', async () => {
    const script = "for (const part of ['', '/convert', '/eval', '/onebit', '/train', '/web']) await import('wrn-onnx' + part)";
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd: app });
  });

  test('a network of the package is converted, and what was not done is said', () => {
    const { status, stdout } = wrn('export', 'cifar-10-wrn-20-1', '-o', 'network.onnx');
    expect(status).toBe(0);
    expect(stdout).toContain('not run: onnxruntime-node is missing. Install it: npm install onnxruntime-node');
    const source = readFileSync(join(root, 'models/cifar-10-wrn-20-1/model.safetensors'));
    expect(readFileSync(join(app, 'network.onnx')).equals(toOnnx(readModel(source)))).toBe(true);
  });

  test.each([
    ['cpu', 'running a network in Node needs onnxruntime-node, which is not installed. Install it: npm install onnxruntime-node'],
    [
      'wasm',
      'running a network in WebAssembly or a browser needs onnxruntime-web, which is not installed. Install it: npm install onnxruntime-web',
    ],
    ['browser-wasm', 'driving a browser needs playwright-core, which is not installed. Install it: npm install playwright-core'],
  ])('predict on %s names the package to install', (backend, message) => {
    expect(wrn('predict', 'cifar-10-wrn-20-1', 'photo.jpg', '--backend', backend)).toMatchObject({
      status: 4,
      stdout: '',
      stderr: `wrn-onnx: ${message}\n`,
    });
  });

  test('links of README and the pages below it lead somewhere', () => {
    const all = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    const pages = all.filter((path) => /^(README|(docs|examples|models)\b.*)\.md$/.test(path));
    expect(pages).toContain('README.md');
    const broken = pages.flatMap((page) => {
      const text = readFileSync(join(installed, page), 'utf8');
      const targets = [...text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, target]) => target as string);
      return targets
        .filter((target) => !statSync(join(installed, page, '..', target), { throwIfNoEntry: false }))
        .map((target) => `${page}: ${target}`);
    });
    expect(broken).toEqual([]);
  });

  test.each([
    ['node.ts', 'node16', { module: 'node16', moduleResolution: 'node16', lib: ['ES2022'], types: ['node'] }],
    ['page.ts', 'bundler', { module: 'esnext', moduleResolution: 'bundler', lib: ['ES2022', 'DOM', 'DOM.Iterable'], types: [] }],
  ])('%s compiles with plain tsc, resolution %s, and checks the types of libraries', async (file, resolution, options) => {
    const config = join(app, `tsconfig.${resolution}.json`);
    const compilerOptions = { ...options, target: 'ES2022', strict: true, noEmit: true, skipLibCheck: false };
    writeFileSync(config, JSON.stringify({ compilerOptions, files: [file] }));
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', config], {
      cwd: app,
    }).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  });

  describe.skipIf(!browser)(`bundled for a page${browser ? '' : ' [needs a browser]'}`, () => {
    beforeAll(() => {
      // the runtime that the app installs besides; from the clone, as it is large
      for (const name of ['onnxruntime-web', 'onnxruntime-common'])
        symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name));
    });
    test.each(Object.keys(bundlers))('by %s, it converts and classifies in Chromium', async (name) => {
      const out = join(app, 'out', name);
      await bundlers[name]?.(out);
      const model = readFileSync(join(root, 'models/cifar-10-wrn-20-1/model.safetensors'));
      expect(await answerOf(out)).toEqual({ label: 'ship', sha256: sha256(toOnnx(readModel(model))) });
    });
  });
});

function wrn(...args: readonly string[]) {
  const bin = join(app, 'node_modules/.bin/wrn-onnx');
  return spawnSync(bin, args, { cwd: app, encoding: 'utf8', shell: process.platform === 'win32' });
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

const entry = join(app, 'main.js');
/** Each writes main.js and its chunks into a folder, as its own documentation says. */
const bundlers: Readonly<Record<string, (out: string) => Promise<unknown>>> = {
  vite: (outDir) =>
    vite({
      root: app,
      logLevel: 'error',
      build: { outDir, target: 'esnext', rollupOptions: { input: entry, output: { entryFileNames: 'main.js' } } },
    }),
  async rollup(dir) {
    const bundle = await rollup({
      input: entry,
      plugins: [nodeResolve({ browser: true }), (commonjs as unknown as typeof commonjs.default)()], // its types are those of its CommonJS build
      onwarn: () => {}, // of circles inside protobufjs
    });
    await bundle.write({ dir, format: 'es', entryFileNames: 'main.js' });
  },
  esbuild: (outdir) =>
    esbuild({
      entryPoints: [entry],
      outdir,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'browser',
      minify: true,
      logLevel: 'error',
    }),
  webpack: (path) =>
    new Promise((resolve, reject) =>
      webpack(
        {
          mode: 'production',
          context: app,
          entry,
          output: { path, filename: 'main.js', publicPath: 'auto' },
          performance: { hints: false },
          optimization: { minimize: false },
        },
        (error, stats) => (error || stats?.hasErrors() ? reject(error ?? new Error(stats?.toString('errors-only'))) : resolve(stats)),
      ),
    ),
};

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** What the page says when a static server hands it out. */
async function answerOf(folder: string): Promise<unknown> {
  const ort = join(root, 'node_modules/onnxruntime-web/dist');
  const others: Readonly<Record<string, string>> = {
    '/model.safetensors': join(root, 'models/cifar-10-wrn-20-1/model.safetensors'),
    '/ship.png': join(root, 'examples/ship.png'),
  };
  const server = createServer(async ({ url = '/' }, response) => {
    if (url === '/') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><script type="module" src="/main.js"></script>');
      return;
    }
    const path = others[url] ?? (url.startsWith('/ort/') ? join(ort, basename(url)) : join(folder, url));
    try {
      const content = await readFile(path);
      response.writeHead(200, { 'content-type': types[extname(path)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const chrome = await chromium.launch({ executablePath: browser as string, args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] });
  try {
    const page = await chrome.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await expect.poll(async () => problems[0] ?? page.evaluate('globalThis.answer'), { timeout: 60_000 }).toBeDefined();
    expect(problems).toEqual([]);
    return await page.evaluate('globalThis.answer');
  } finally {
    await chrome.close();
    server.close();
  }
}
