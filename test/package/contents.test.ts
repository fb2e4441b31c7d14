/** The package as its users get it: entry points, the bin, and a web entry that needs no Node. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const node = (...args: string[]) => execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' });

test('the library is importable by its name', () => {
  const script = `import * as wrn from 'wrn-onnx'; console.log(['readModel', 'toOnnx', 'evaluate', 'bisect', 'openImageSet'].map((n) => typeof wrn[n]).join())`;
  expect(node('--input-type=module', '-e', script).trim()).toBe('function,function,function,function,function');
});

test('the web entry bundles for a browser without any module of Node', async () => {
  const { outputFiles } = await build({
    stdin: { contents: `export * from 'wrn-onnx/web'`, resolveDir: root },
    bundle: true,
    platform: 'browser',
    format: 'esm',
    write: false,
  });
  expect(outputFiles[0]?.text).toContain('loadClassifier');
});

test('what is published holds the build and no sources of tests', () => {
  const [listing] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const files: string[] = listing.files.map((file: { path: string }) => file.path);
  for (const path of [
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'dist/src/web.js',
    'dist/web.js',
    'dist/onebit.js',
    'dist/node/cli.js',
    'dist/node/index.js',
    'dist/node/batch-worker.js',
    'dist/eval/backends/browser/page.js',
    'dist/proto/generated/onnx.js',
    'scripts/set-up-tfjs.mjs',
    'scripts/tensorflow-log.cc',
    'README.md',
    'LICENSE',
  ]) {
    expect(files).toContain(path);
  }
  expect(files.filter((path) => /test\/|\.map$|dist\/src\/cli\//.test(path))).toEqual([]);
});

test('the bin prints the version of package.json', () => {
  const { version, bin } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  expect(node(bin['wrn-onnx'], '--version').trim()).toBe(version);
});

test('the list of licences is current, and names the library under the LGPL', () => {
  node('scripts/licences.mjs', '--check');
  const page = readFileSync(`${root}docs/licences.md`, 'utf8');
  expect(page.split('\n').find((line) => line.startsWith('| LGPL-3.0-or-later |'))).toContain('@img/sharp-libvips-linux-x64');
});
