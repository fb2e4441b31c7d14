// Puts what is no TypeScript into dist: the font of the charts, and the page that eval opens as one bundle. onnxruntime-web stays
// beside the page and is served as it is. And wrn-onnx/web as one file, for pages without a bundler.
import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
for (const page of ['browser', 'remote/page']) {
  mkdirSync(`${root}dist/eval/backends/${page}`, { recursive: true });
  copyFileSync(`${root}eval/backends/${page}/index.html`, `${root}dist/eval/backends/${page}/index.html`);
}
for (const [from, to] of [
  ['ttf/DejaVuSans.ttf', 'DejaVuSans.ttf'],
  ['LICENSE', 'DejaVuSans.LICENSE'],
])
  copyFileSync(`${root}node_modules/dejavu-fonts-ttf/${from}`, `${root}dist/src/chart/${to}`);
const bundle = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
};
await build({ ...bundle, entryPoints: [`${root}eval/backends/browser/page.ts`], outfile: `${root}dist/eval/backends/browser/page.js` });
await build({
  ...bundle,
  entryPoints: [`${root}eval/backends/remote/page/lobby.ts`],
  outfile: `${root}dist/eval/backends/remote/page/lobby.js`,
});
await build({ ...bundle, entryPoints: [`${root}src/web.ts`], outfile: `${root}dist/web.js`, minify: true });
