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
const ground = ['src/errors.ts', 'src/version.ts', 'src/formats', 'src/network', 'src/data', 'src/chart', 'src/train'];
const allowed: Record<string, readonly string[]> = {
  'src/errors.ts': [],
  'src/version.ts': [],
  'src/chart': [],
  proto: ['src/errors.ts'],
  'src/formats': ['src/errors.ts'],
  'src/network': ['src/errors.ts', 'src/formats'],
  'src/data': ['src/errors.ts', 'src/formats', 'src/network'],
  'src/train': ['src/errors.ts', 'src/formats', 'src/network', 'src/data', 'src/chart'],
  converters: [...ground, 'proto'],
  eval: [...ground, 'proto', 'converters'],
  'src/web.ts': [...ground, 'proto', 'converters', 'eval'],
  'src/index.ts': [...ground, 'proto', 'converters', 'eval', 'src/web.ts'],
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

test('onnxruntime-node is loaded where its telemetry is off, and nowhere else', () => {
  expect(files.filter((file) => /(from|import\() ?'onnxruntime-node'/.test(readFileSync(join(root, file), 'utf8')))).toEqual([
    'eval/onnxruntime.ts',
  ]);
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
