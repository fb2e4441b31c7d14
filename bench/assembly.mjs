/** Loops for the benches in AssemblyScript, the language of the kernels. @returns a module of 128 KiB that imports `env.abort` */
export async function compile(source) {
  const { default: asc } = await import('assemblyscript/asc'); // threads that run the module do not need it
  let binary;
  await asc.main(['a.ts', '-O3', '--enable', 'simd', '--runtime', 'stub', '--initialMemory', '2', '--outFile', 'a.wasm'], {
    readFile: (name) => (name === 'a.ts' ? source : null),
    writeFile: (_, contents) => {
      binary = contents;
    },
    stderr: process.stderr,
  });
  return binary;
}

/** What a compiled module exports. */
export function exportsOf(binary) {
  return new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { abort() {} } }).exports;
}
