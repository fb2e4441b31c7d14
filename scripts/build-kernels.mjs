// Compiles src/onebit/kernels to WebAssembly, once for its own memory and once for memory that threads share, and writes
// both as text that a bundler can take in; the output is not kept in the repository.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const kernels = fileURLToPath(new URL('../src/onebit/kernels', import.meta.url));
const generated = fileURLToPath(new URL('../src/onebit/generated', import.meta.url));

async function compile(file, ...options) {
  const files = new Map();
  const { error, stderr } = await asc.main(
    [file, '--baseDir', kernels, '--outFile', 'kernels.wasm', '-O3', '--noAssert', '--runtime', 'stub', '--importMemory', ...options],
    { writeFile: (name, contents) => files.set(name, contents) },
  );
  if (error) throw new Error(`AssemblyScript: ${stderr}`, { cause: error });
  return Buffer.from(files.get('kernels.wasm')).toString('base64');
}

const alone = ['--enable', 'simd'];
// Memory of any size that the network asks for can be imported.
const shared = ['--enable', 'simd', '--enable', 'threads', '--sharedMemory', '--maximumMemory', '65535'];
const relaxed = ['--enable', 'relaxed-simd'];
const modules = {
  plain: await compile('index.ts', ...alone),
  shared: await compile('index.ts', ...shared),
  relaxedPlain: await compile('relaxed.ts', ...alone, ...relaxed),
  relaxedShared: await compile('relaxed.ts', ...shared, ...relaxed),
};
mkdirSync(generated, { recursive: true });
const fields = Object.entries(modules).map(([name, base64]) => `  ${name}: '${base64}',\n`);
writeFileSync(`${generated}/kernels.ts`, `// Made by scripts/build-kernels.mjs\nexport const kernels = {\n${fields.join('')}};\n`);
