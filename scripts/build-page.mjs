// Bundles the page that eval opens; onnxruntime-web stays beside it and is served as it is.
import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
mkdirSync(`${root}dist/eval/backends/browser`, { recursive: true });
copyFileSync(`${root}eval/backends/browser/index.html`, `${root}dist/eval/backends/browser/index.html`);
await build({
  entryPoints: [`${root}eval/backends/browser/page.ts`],
  outfile: `${root}dist/eval/backends/browser/page.js`,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
});
