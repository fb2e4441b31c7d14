// Compiles src/onebit/kernels to WebAssembly, once for its own memory and once for memory that threads share, and writes
// both as text that a bundler can take in; the output is not kept in the repository.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const kernels = fileURLToPath(new URL('../src/onebit/kernels', import.meta.url));
const generated = fileURLToPath(new URL('../src/onebit/generated', import.meta.url));

async function compile(...options) {
  const files = new Map();
  const { error, stderr } = await asc.main(
    ['index.ts', '--baseDir', kernels, '--outFile', 'kernels.wasm', '-O3', '--noAssert', '--runtime', 'stub', '--importMemory', ...options],
    { writeFile: (name, contents) => files.set(name, contents) },
  );
  if (error) throw new Error(`AssemblyScript: ${stderr}`, { cause: error });
  return Buffer.from(files.get('kernels.wasm')).toString('base64');
}

const plain = await compile('--enable', 'simd');
// Memory of any size that the network asks for can be imported.
const shared = await compile('--enable', 'simd', '--enable', 'threads', '--sharedMemory', '--maximumMemory', '65535');
mkdirSync(generated, { recursive: true });
writeFileSync(
  `${generated}/kernels.ts`,
  `// Made by scripts/build-kernels.mjs\nexport const kernels = {\n  plain: '${plain}',\n  shared: '${shared}',\n};\n`,
);
