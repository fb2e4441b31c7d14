// Puts what is no TypeScript into dist: the font of the charts, the pages that eval opens as bundles (onnxruntime-web stays beside
// them and is served as it is), wrn-onnx/web and wrn-onnx/onebit as one file each, for pages without a bundler, and what all sites
// have in common.
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import sharp from 'sharp';

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
for (const entry of ['web', 'onebit'])
  await build({ ...bundle, entryPoints: [`${root}src/${entry}.ts`], outfile: `${root}dist/${entry}.js`, minify: true });

const site = `${root}eval/site`;
const made = `${root}dist/eval/site/static`;
for (const folder of ['icons', 'pictures']) mkdirSync(`${made}/${folder}`, { recursive: true });
const small = { ...bundle, minify: true };
await build({ ...small, format: 'iife', entryPoints: [`${site}/page/main.ts`], outfile: `${made}/page.js` });
await build({ ...small, entryPoints: [`${site}/engine/engine.ts`], outfile: `${made}/engine.js` });
await build({ ...small, format: 'iife', entryPoints: [`${site}/offline/worker.ts`], outfile: `${made}/sw.js` });
await build({ ...small, entryPoints: [`${site}/static/page.css`], outfile: `${made}/page.css` });
copyFileSync(`${site}/static/index.html`, `${made}/index.html`);

/** An SVG file as PNG. */
const draw = (svg, size, path) =>
  sharp(Buffer.from(svg), { density: 300 }).resize(size, size).png({ palette: true, effort: 10 }).toFile(`${made}/${path}`);
const icon = readFileSync(`${site}/icon.svg`, 'utf8');
/** Systems cut it to their shape: the colour goes to the edge, and what matters keeps off it. */
const cut = icon
  .replace('viewBox="0 0 48 48"', 'viewBox="-6 -6 60 60"')
  .replace(/<rect [^>]*rx="11"/, '<rect x="-6" y="-6" width="60" height="60"');
copyFileSync(`${site}/icon.svg`, `${made}/icons/icon.svg`);
await draw(icon, 192, 'icons/icon-192.png');
await draw(icon, 512, 'icons/icon-512.png');
await draw(cut, 180, 'icons/icon-180.png');
await draw(cut, 512, 'icons/maskable-512.png');
for (const file of readdirSync(`${site}/pictures`))
  await draw(readFileSync(`${site}/pictures/${file}`), 256, `pictures/${file.replace('.svg', '.png')}`);
