// Compiles proto/onnx.proto to a static module with types; the output is not kept in the repository.
import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pbjs from 'protobufjs-cli/pbjs.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const generated = `${root}proto/generated`;
const built = `${root}dist/proto/generated`;
const leaveOut = ['verify', 'convert', 'delimited', 'typeurl', 'create', 'service'].map((part) => `--no-${part}`);

mkdirSync(generated, { recursive: true });
mkdirSync(built, { recursive: true });
await promisify(pbjs.main)([
  ...['--target', 'static-module', '--wrap', 'esm', '--keep-case', '--dts', ...leaveOut],
  ...['--out', `${generated}/onnx.js`, `${root}proto/onnx.proto`],
]);
for (const file of ['onnx.js', 'onnx.d.ts']) copyFileSync(`${generated}/${file}`, `${built}/${file}`);
