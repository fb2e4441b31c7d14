/** The dependency direction of the tree, held by reading every import. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Part of the tree -> the parts it may import besides itself. One floor, one roof: proto and the ground floor of src
 * carry converters, which carry eval, which carries the command line and the public entries; nothing imports those.
 */
const ground = ['src/errors.ts', 'src/version.ts', 'src/packages.ts', 'src/formats', 'src/network', 'src/data', 'src/chart', 'src/train'];
const allowed: Record<string, readonly string[]> = {
  'src/errors.ts': [],
  'src/version.ts': [],
  'src/packages.ts': ['src/errors.ts'],
  'src/chart': [],
  proto: ['src/errors.ts'],
  'src/formats': ['src/errors.ts'],
  'src/network': ['src/errors.ts', 'src/formats'],
  'src/data': ['src/errors.ts', 'src/packages.ts', 'src/formats', 'src/network'],
  'src/train': ['src/errors.ts', 'src/formats', 'src/network', 'src/data', 'src/chart'],
  converters: [...ground, 'proto'],
  eval: [...ground, 'proto', 'converters'],
  'src/convert.ts': [...ground, 'proto', 'converters'],
  'src/eval.ts': [...ground, 'proto', 'converters', 'eval'],
  'src/web.ts': [...ground, 'proto', 'converters', 'eval'],
  'src/index.ts': ['src/convert.ts', 'src/eval.ts', 'src/web.ts'],
  'src/cli': [...ground, 'proto', 'converters', 'eval'],
};

const partOf = (path: string) => Object.keys(allowed).find((part) => path === part || path.startsWith(`${part}/`));

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'generated' ? [] : sources(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

const files = ['src', 'proto', 'converters', 'eval'].flatMap(sources);

function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] as string);
}

test.each(files)('%s imports only what stands below it', (file) => {
  const part = partOf(file);
  expect(part, `${file} belongs to no part of the tree`).toBeDefined();
  for (const specifier of imports(file)) {
    if (!specifier.startsWith('.')) continue;
    const target = relative(root, resolve(root, dirname(file), specifier));
    const other = partOf(target);
    expect(other === part || (allowed[part as string] as readonly string[]).includes(other as string), `${file} -> ${target}`).toBe(true);
  }
});

test('only the command line reads argv, the terminal and the environment', () => {
  const offenders = files.filter(
    (file) => !file.startsWith('src/cli/') && /process\.(argv|stdout|stderr)/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(offenders).toEqual([]);
});

test('tfjs-node is optional: only the training code and its backend import it', () => {
  const importing = files.filter((file) => imports(file).some((specifier) => specifier.startsWith('@tensorflow/')));
  expect(importing.filter((file) => !file.startsWith('src/train/'))).toEqual([]);
});

test('onnxruntime-node is loaded where its telemetry is turned off, and nowhere else', () => {
  const loading = files.filter((file) =>
    /^import (?!type).*'onnxruntime-node'|import\('onnxruntime-node'\)/m.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(loading).toEqual(['src/packages.ts']);
});

/** What a file loads when it is imported: imports of types are erased, those inside functions wait until they are called. */
function loads(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(join(root, file), 'utf8');
  for (const [statement, specifier = ''] of text.matchAll(/^(?:import|export)\s(?:[\w\s{},*]+\sfrom\s)?'([^']+)'/gm)) {
    if (/^(import|export) type\s/.test(statement)) continue;
    if (specifier.startsWith('.')) loads(relative(root, resolve(root, dirname(file), specifier)), seen);
    else seen.add(specifier);
  }
  return seen;
}

test('converting loads no runtime and no training: neither TensorFlow code nor a native library', () => {
  const loaded = new Set(sources('converters').flatMap((file) => [...loads(file)]));
  expect(loaded).toContain('src/train/checkpoint.ts');
  const heavy = /^src\/train\/(tf\/|step|lower|ops|inference|trained|train\.ts|training-set)|^(@tensorflow|onnxruntime|sharp|playwright)/;
  expect([...loaded].filter((path) => heavy.test(path))).toEqual([]);
});

test('packages that are optional are loaded by packages.ts, tfjs-node by the training code', () => {
  const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const values = /(?:^import (?!type\b)[^;]*?from |^export [^;]*?from |import\(\s*)'([^']+)'/gm;
  const importing = files.filter((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(values)].some(([, name]) => Object.hasOwn(peerDependencies, name as string)),
  );
  expect(importing).toEqual(['src/packages.ts']);
});
