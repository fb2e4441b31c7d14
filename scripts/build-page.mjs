// Bundles the page that eval opens; onnxruntime-web stays beside it and is served as it is.
import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
mkdirSync(`${root}dist/eval/page`, { recursive: true });
copyFileSync(`${root}eval/page/index.html`, `${root}dist/eval/page/index.html`);
await build({
  entryPoints: [`${root}eval/page/page.ts`],
  outfile: `${root}dist/eval/page/page.js`,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
});
