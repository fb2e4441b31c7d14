/** The dependency direction of the tree, held by reading every import. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Part of the tree -> the parts it may import besides itself; a room inside a part is a part of its own. One floor, one
 * roof: proto and the ground floor of src carry converters, which carry eval, which carries the command line and the
 * public entries; nothing imports those.
 */
const ground = [
  'src/errors.ts',
  'src/printable.ts',
  'src/choice.ts',
  'src/closable.ts',
  'src/environment.ts',
  'src/version.ts',
  'src/numbers.ts',
  'src/package-files.ts',
  'src/packages.ts',
  'src/formats',
  'src/network',
  'src/data',
  'src/data/files',
  'src/data/kinds',
  'src/data/store',
  'src/chart',
];
const training = [
  'src/train',
  'src/train/recipe.ts',
  'src/train/schedule.ts',
  'src/train/run',
  'src/train/network',
  'src/train/batches',
  'src/train/tf',
];
const cluster = ['src/cluster'];
const converters = [
  'converters/hub',
  'converters/read.ts',
  'converters/sources',
  'converters/inspect',
  'converters/onnx',
  'converters/onnx/forms',
  'converters/onnx/pack',
];
const evaluation = ['eval', 'eval/runtime', 'eval/tally', 'eval/backends', 'eval/verify', 'eval/bench', 'eval/html', 'eval/site'];
const all = [...ground, ...training, ...cluster, 'proto', 'src/onebit', 'src/onebit.ts', ...converters, ...evaluation];
const allowed: Record<string, readonly string[]> = {
  'src/errors.ts': ['src/printable.ts'],
  'src/printable.ts': [],
  'src/choice.ts': ['src/errors.ts'],
  'src/closable.ts': [],
  'src/environment.ts': [],
  'src/package-files.ts': [],
  'src/version.ts': ['src/package-files.ts'],
  'src/numbers.ts': [],
  'src/packages.ts': ['src/errors.ts', 'src/environment.ts'],
  'src/chart': ['src/package-files.ts', 'src/packages.ts'],
  proto: ['src/errors.ts'],
  'src/formats': ['src/errors.ts'],
  'src/network': ['src/errors.ts', 'src/printable.ts', 'src/formats'],
  'src/data': ground,
  'src/data/files': ['src/errors.ts', 'src/environment.ts', 'src/packages.ts', 'src/formats', 'src/network', 'src/data'],
  'src/data/kinds': ['src/errors.ts', 'src/formats', 'src/data', 'src/data/files'],
  'src/data/store': ['src/errors.ts', 'src/environment.ts', 'src/data', 'src/data/files'],
  'src/train': [...ground, ...training],
  'src/train/run': [...ground, 'src/train/recipe.ts', 'src/train/network', 'src/train/tf'],
  'src/train/network': [...ground, 'src/train/batches', 'src/train/tf'],
  'src/train/recipe.ts': [...ground, 'src/train/schedule.ts', 'src/train/batches', 'src/train/tf'],
  'src/train/schedule.ts': [],
  'src/train/batches': ground,
  'src/cluster': ['src/errors.ts', 'src/environment.ts'],
  'src/onebit': ['src/errors.ts', 'src/formats', 'src/network', 'proto'],
  'src/onebit.ts': ['src/errors.ts', 'src/network', 'src/onebit'],
  'src/train/tf': ['src/errors.ts', 'src/environment.ts', 'src/package-files.ts', 'src/formats', 'src/data/files'],
  'converters/sources': [...ground, ...training],
  'converters/read.ts': [...ground, ...training, 'converters/sources'],
  'converters/hub': [...ground, ...training],
  'converters/onnx': [...ground, 'proto', 'converters/onnx/forms'],
  'converters/onnx/forms': [...ground, 'proto', 'converters/onnx'],
  'converters/onnx/pack': [...ground, 'proto', 'converters/onnx', 'converters/onnx/forms'],
  'converters/inspect': [...ground, 'proto', ...converters],
  'eval/runtime': [...ground, 'src/onebit', 'src/onebit.ts', 'proto', ...converters],
  'eval/tally': [...ground, 'proto', ...converters, 'eval/runtime'],
  'eval/backends': [...ground, 'src/onebit', ...training, 'proto', ...converters, 'eval/runtime'],
  'eval/bench': [...ground, 'src/onebit', 'src/onebit.ts', 'proto', ...converters, 'eval/runtime', 'eval/tally', 'eval/backends'],
  'eval/verify': [...ground, 'proto', ...converters, 'eval/runtime', 'eval/tally', 'eval/backends'],
  eval: [...ground, ...training, 'proto', ...converters, 'eval/runtime', 'eval/tally', 'eval/backends'],
  'eval/html': [...ground, 'proto', ...converters, 'eval', 'eval/runtime', 'eval/tally', 'eval/verify', 'eval/bench'],
  'eval/site': [
    ...ground,
    'src/onebit',
    'src/onebit.ts',
    ...converters,
    'eval',
    'eval/runtime',
    'eval/tally',
    'eval/backends',
    'eval/html',
  ],
  'src/convert.ts': [...ground, 'proto', ...converters],
  'src/eval.ts': all,
  'src/train-api.ts': all,
  'src/web.ts': all,
  'src/index.ts': ['src/convert.ts', 'src/eval.ts', 'src/web.ts'],
  'src/cli/shared': all,
  'src/cli/bench': [...all, 'src/cli/shared'],
  'src/cli/eval': [...all, 'src/cli/shared'],
  'src/cli/export': [...all, 'src/cli/shared'],
  'src/cli/site': [...all, 'src/cli/shared'],
  'src/cli/train': [...all, 'src/cli/shared', 'src/cli/eval'],
  'src/cli/sweep': [...all, 'src/cli/shared', 'src/cli/train'],
  'src/cli': [...all, ...['shared', 'bench', 'eval', 'export', 'site', 'sweep', 'train'].map((room) => `src/cli/${room}`)],
};

const longestFirst = Object.keys(allowed).sort((a, b) => b.length - a.length);
const partOf = (path: string) => longestFirst.find((part) => path === part || path.startsWith(`${part}/`));

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

/** Files, but those of `except`, whose code holds the pattern. */
function offenders(pattern: RegExp, ...except: readonly string[]): string[] {
  return files.filter((file) => !except.some((path) => file.startsWith(path)) && pattern.test(readFileSync(join(root, file), 'utf8')));
}

/** `process.env`, `process['env']`, `const { env } = process`, and the same of argv, stdout and stderr. */
const surroundings = (names: string) =>
  new RegExp(`process\\s*(\\??\\.|\\[['"])\\s*(${names})\\b|\\{[^}]*\\b(${names})\\b[^}]*\\}\\s*=\\s*process\\b`);

test.each([
  ["process.env['HOME']", true],
  ['process["env"]', true],
  ['const { platform, env } = process;', true],
  ['const { env } = options;', false],
  ['process.environment', false],
])('%s reads the environment: %s', (code, expected) => expect(surroundings('env').test(code)).toBe(expected));

test('only the command line reads argv and the terminal', () => {
  expect(offenders(surroundings('argv|stdout|stderr|stdin'), 'src/cli/')).toEqual([]);
  expect(offenders(surroundings('argv|stdout|stderr|stdin'))).toContain('src/cli/main.ts');
});

test('the environment is read by the command line and in one file of the library', () => {
  expect(offenders(surroundings('env'), 'src/cli/')).toEqual(['src/environment.ts']);
});

test('tfjs-node is optional: one file loads it, and nothing loads that file but training and its backend', () => {
  expect(offenders(/['"]@tensorflow\//)).toEqual(['src/train/tf/tensorflow.ts']);
  const direct = files.filter((file) => imports(file).some((specifier) => specifier.endsWith('/tensorflow.ts')));
  expect(direct.filter((file) => !/^(src\/train|src\/cli\/train|eval\/backends\/node)\//.test(file))).toEqual([]);
  expect(direct).toContain('src/train/network/step.ts');
});

const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter(
  (page) => page.endsWith('.md'),
);
test.each(pages)('files that %s names or links to are there', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const named = [...text.matchAll(/`((?:src|converters|eval|proto|test|docs|scripts|bench|models|examples)\/[\w./-]*)`/g)];
  const linked = [...text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, target]) => join(dirname(page), target as string));
  const paths = [...named.map(([, path]) => path as string), ...linked].filter((path) => !path.includes('NAME')); // a placeholder
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('no file imports itself, around however many others', () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (file: string, path: readonly string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (path.includes(file) || done.has(file)) return;
    for (const specifier of imports(file))
      if (specifier.startsWith('.')) {
        const target = relative(root, resolve(root, dirname(file), specifier));
        if (files.includes(target)) walk(target, [...path, file]);
      }
    done.add(file);
  };
  for (const file of files) walk(file, []);
  expect(circles).toEqual([]);
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
  expect(loaded).toContain('src/train/run/checkpoint.ts');
  const heavy =
    /^src\/train\/(tf\/|network\/(step|lower|ops|inference)|train|batches\/training-set)|^(@tensorflow|onnxruntime|sharp|playwright)/;
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
