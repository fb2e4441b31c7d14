/** Every public function has an example in its docstring that compiles against the built package and runs. */
import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { readModelFile } from '../../src/network/model-file.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const entries = { convert: 'convert', eval: 'eval', 'train-api': 'train', web: 'web', onebit: 'onebit' };

/** What examples may use without declaring it; the docstrings leave it out, as each needs the same. */
const given: Readonly<Record<string, string>> = {
  images: "const images = await openSplits('./fashion-mnist');",
  data: "await using data = await openImageSet('./fashion-mnist', { split: 'test' });",
  model: "const model = readModel(await readFile('model.safetensors'));",
  file: 'const file = toOnnx(model);',
};

/** Training takes minutes, and a lobby waits for a device: these examples are compiled, and other tests do what they say. */
const compiledOnly = ['trainNetwork', 'openTeacher', 'openLobby'];

interface Example {
  readonly name: string;
  /** undefined when the docstring has none. */
  readonly code: string | undefined;
}

/** Functions that an entry exports, by the name of the entry in the package. Errors are classes, and the rest is for our own use. */
function examplesOf(entry: string): Example[] {
  const path = join(root, 'src', `${entry}.ts`);
  const exported = [...readFileSync(path, 'utf8').matchAll(/^export \{([^}]*)\} from '([^']+)'/gm)];
  return exported.flatMap(([, names = '', from = '']) => {
    const source = readFileSync(join(dirname(path), from), 'utf8');
    return names.split(',').flatMap((text): Example[] => {
      const name = text.trim();
      const [, before] = new RegExp(`([\\s\\S]*)^export (async )?function\\*? ${name}\\b(?!:)`, 'm').exec(source) ?? [];
      if (before === undefined) return []; // a type, a class or a constant
      const [, doc = ''] = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(before) ?? [];
      const [, code] = /@example\n([\s\S]*?)(?=\n \* @|\s*$)/.exec(doc) ?? [];
      return [{ name, code: code?.replace(/^ \* ?/gm, '') }];
    });
  });
}

const examples = Object.keys(entries).flatMap(examplesOf);

const exportsOf = Object.keys(entries).flatMap((entry) => {
  const lists = readFileSync(join(root, 'src', `${entry}.ts`), 'utf8').matchAll(/^export \{([^}]*)\}/gm);
  return [...lists].flatMap(([, names = '']) => names.split(',').map((name) => [name.trim(), entry] as const));
});
/** Entry of each exported value. */
const homes = new Map(exportsOf.filter(([name]) => /^\w+$/.test(name)).reverse());

/** The example with what is given and its imports in front. */
function program(code: string): string {
  const uses = (text: string, name: string) => new RegExp(`(?<![\\w'/-]|\\w[.])${name}\\b(?![':])`).test(text);
  const body = Object.entries(given).reduceRight((text, [name, statement]) => {
    const declared = new RegExp(`^(?:await using|const) (\\{[^}]*\\b)?${name}\\b(?!:)`, 'm').test(text);
    return uses(text, name) && !declared ? `${statement}\n${text}` : text;
  }, code);
  const imports = [...homes]
    .filter(([name]) => uses(body, name))
    .map(([name, entry]) => `import { ${name} } from 'wrn-onnx/${entries[entry as keyof typeof entries]}';\n`);
  return `import { readFile, writeFile } from 'node:fs/promises';\n${imports.join('')}\n${body}\nexport {};\n`;
}

const folder = mkdtempSync(join(tmpdir(), 'wrn-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  for (const name of ['onnxruntime-node', 'onnxruntime-common', '@types/node'])
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
  symlinkSync(root, join(folder, 'node_modules/wrn-onnx'), 'junction');
  cpSync(join(root, 'examples/fashion-mnist'), join(folder, 'fashion-mnist'), { recursive: true });
  const model = join(root, 'models/fashion-mnist-wrn-20-1/model.safetensors');
  copyFileSync(model, join(folder, 'model.safetensors'));
  writeFileSync(join(folder, 'model.onnx'), toOnnx(readModelFile(readFileSync(model))));
  for (const { name, code } of examples) if (code) writeFileSync(join(folder, `${name}.ts`), program(code));
});

test('every public function has one', () => {
  expect(examples.length).toBeGreaterThan(40);
  expect(examples.filter(({ code }) => !code).map(({ name }) => name)).toEqual([]);
});

test('all compile', async () => {
  const compilerOptions = { module: 'nodenext', target: 'es2022', lib: ['es2023', 'dom', 'esnext.disposable'], types: ['node'] };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, strict: true, noEmit: true, skipLibCheck: true }, include: ['*.ts'] }),
  );
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder], { cwd: folder }).catch((error) => error);
  expect(stdout).toBe('');
});

test('all run', async () => {
  const names = examples.flatMap(({ name, code }) => (code && !compiledOnly.includes(name) ? [name] : []));
  for (const name of names) {
    const { code } = await transform(readFileSync(join(folder, `${name}.ts`), 'utf8'), { loader: 'ts', target: 'node20' });
    writeFileSync(join(folder, `${name}.mjs`), code);
  }
  const run = `for (const name of ${JSON.stringify(names)})
    await import('./' + name + '.mjs').catch((error) => console.error(name, error));`; // one process: the runtimes load once
  writeFileSync(join(folder, 'all.mjs'), run);
  const { stderr } = await promisify(execFile)(process.execPath, ['all.mjs'], { cwd: folder });
  expect(stderr).toBe('');
}, 300_000);
