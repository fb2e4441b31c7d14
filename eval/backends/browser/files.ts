/** How pages are served; the files of the page that runs models: its own and onnxruntime-web's, nothing else. */
import { readFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../../../src/package-files.ts';

/** COOP and COEP isolate the page: browsers give wasm threads to isolated pages only. */
export const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
};

/** Content type of a file by its name. */
export function typeOf(name: string): string {
  return types[extname(name)] ?? 'application/octet-stream';
}

/** The page's own files, and their built files. */
const pageFiles: ReadonlyMap<string, string> = new Map([
  ['index.html', 'browser/index.html'],
  ['page.js', 'browser/page.js'],
]);
/** Files of onnxruntime-web that a page loads, below `ort/`. */
const RUNTIME_FILE = /^ort\/(ort[\w.-]*\.(?:mjs|wasm))$/;

/** Content of a file by the name that the page asks for; undefined for any other name. */
export async function readPageFile(name: string): Promise<Uint8Array | undefined> {
  const path = pathOf(name);
  return path === undefined ? undefined : readFile(path).catch(() => undefined);
}

function pathOf(name: string): string | undefined {
  const own = pageFiles.get(name);
  if (own !== undefined) return builtFile(`eval/backends/${own}`);
  const runtime = RUNTIME_FILE.exec(name)?.[1];
  if (runtime === undefined) return undefined;
  return join(dirname(fileURLToPath(import.meta.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'))), runtime);
}
