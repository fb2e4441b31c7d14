// Bundles what runs in Node into dist/node. To import a module costs a millisecond whatever its size, and the tree has hundreds.
// Bundlers for pages get the modules themselves (package.json, "exports"), because they leave out those that a page does not use.
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

/** What is loaded by its own address: entries of package.json, then the code of child processes and threads. */
const entries = {
  index: 'src/index.ts',
  convert: 'src/convert.ts',
  eval: 'src/eval.ts',
  onebit: 'src/onebit.ts',
  train: 'src/train-api.ts',
  web: 'src/web.ts',
  cli: 'src/cli/main.ts',
  'backend-process': 'eval/backends/node/worker.ts',
  'teacher-worker': 'eval/teacher-worker.ts',
  'batch-worker': 'src/train/batches/batch-worker.ts',
  'lock-renewal': 'src/train/run/lock-renewal.ts',
};

/**
 * Chunks that entries share: so a class or a state exists once. Each takes these modules and all that they import, but what an
 * earlier chunk has. `help` is what the help of the command line loads. An import() makes a chunk of its own.
 */
const chunks = {
  help: /\/src\/(errors|version|closable|data\/files\/file-error|cli\/shared\/(exit-codes|quiet|results))\.ts$/,
  web: /\/src\/(web|formats\/schema|network\/topology|onebit\/file)\.ts$/,
  onebit: /\/src\/onebit\.ts$/,
  convert: /\/src\/convert\.ts$/,
  eval: /\/src\/eval\.ts$/,
  train: /\/src\/train-api\.ts$/,
  cli: /\/src\/cli\/shared\//,
};

/**
 * Packages that every import needs are part of the bundles, since they are many files too. They remain dependencies, for the
 * modules, their types, and `npm audit`. All others stay packages.
 */
const inlined = ['@petamoriken/float16', 'fastest-levenshtein', 'protobufjs/minimal.js', 'valibot'];
const isExternal = (id, from) => !/^[./\\]|^\w:/.test(id) && !inlined.includes(id) && !from?.includes('node_modules');

const bundle = await rolldown({
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  input: entries,
  platform: 'neutral', // 'node' would add code for require, which nothing needs
  resolve: { mainFields: ['module', 'main'] },
  treeshake: { moduleSideEffects: false },
  external: isExternal,
});
await bundle.write({
  dir: 'dist/node',
  chunkFileNames: 'chunks/[name]-[hash].js',
  comments: { jsdoc: false },
  codeSplitting: { groups: Object.entries(chunks).map(([name, test]) => ({ name, test })) },
});
