import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { assumedOrder, misfit, otherLabel, targets } from '../../eval/advice.ts';
import type { BackendName } from '../../eval/backends/table.ts';

/** Form -> backend -> milliseconds per image (infinite where it does not run, NaN where it was not timed), of each table of bench/matrix.txt. */
const measured = readFileSync(new URL('../../bench/matrix.txt', import.meta.url), 'utf8')
  .split('$ node ')
  .slice(1)
  .map((section) => {
    const [head = [], , ...rows] = section
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    const backendsOf = head.slice(2).map((name) => name.replace(', software', ''));
    const times = (cells: readonly string[]) =>
      cells.map((cell) => (cell === 'no' ? Number.POSITIVE_INFINITY : Number.parseFloat(cell.split(', ')[2] ?? '')));
    const table = rows.map(([form = '', , ...cells]) => {
      const row = times(cells);
      return [form.replaceAll('`', ''), new Map(backendsOf.map((backend, i) => [backend, row[i] as number]))] as const;
    });
    return { backends: backendsOf, table: new Map(table) };
  });
const time = (section: (typeof measured)[number], form: string, backend: string) => section.table.get(form)?.get(backend) as number;

test('the recorded measurements are read: five forms and fp16 on six backends', () => {
  expect(new Set(measured.flatMap(({ backends }) => backends))).toEqual(
    new Set(['cpu', 'wasm', 'browser-wasm', 'webgpu', 'browser-webgpu', 'browser-webgl']),
  );
  expect([...(measured[0]?.table.keys() ?? [])]).toEqual(['packed', 'inline', 'dense', 'qonnx', 'int8', 'fp16']);
});

test.each(Object.entries(targets))(
  '--for %s: what was measured there runs, and int8 is advised where it is faster',
  (name, { form, int8 }) => {
    const backendsOf: Readonly<Record<string, string[]>> = {
      cpu: ['cpu'],
      wasm: ['wasm', 'browser-wasm'],
      webgpu: ['webgpu', 'browser-webgpu'],
      webgl: ['browser-webgl'],
      'cpu-amx': [], // the machines of the table have none
      fpga: [], // no runtime of ours
    };
    for (const backend of backendsOf[name] ?? [name]) {
      for (const section of measured.filter(({ backends }) => backends.includes(backend))) {
        expect(time(section, form, backend)).not.toBe(Number.POSITIVE_INFINITY);
        expect(time(section, 'int8', backend) < time(section, form, backend)).toBe(int8);
      }
    }
  },
);

test.each(['int8', 'fp16'] as const)('a warning for %s stands where it did not run, or was measured no faster than packed', (form) => {
  for (const section of measured) {
    for (const backend of section.backends) {
      if (form === 'fp16' && backend.endsWith('webgpu')) continue; // the measured one has no shader-f16
      const faster = time(section, form, backend) < 0.95 * time(section, 'packed', backend); // times differ from run to run
      expect(misfit(form, backend as BackendName) === undefined, `${form} on ${backend}`).toBe(faster);
    }
  }
});

test('a bad choice is named with a better one', () => {
  expect(misfit('int8', 'browser-webgpu')).toBe(
    'int8 on browser-webgpu: onnxruntime has no 8-bit convolutions there and falls back to the CPU. Use export --for webgpu',
  );
});

test('kernels for AMX belong on processors that have it', () => {
  const amx = /\bamx_int8\b/.test(process.platform === 'linux' ? readFileSync('/proc/cpuinfo', 'utf8') : '');
  expect(misfit('int8-amx', 'cpu')).toBe(
    amx ? undefined : 'int8-amx on cpu: its zero points cost time without AMX, which is not found there. Use export --for cpu',
  );
  for (const backend of ['wasm', 'browser-wasm'] as const) expect(misfit('int8-amx', backend)).toMatch(/export --for wasm$/);
  expect(misfit('int8-amx', 'webgpu')).toBe(misfit('int8', 'webgpu')?.replace('int8', 'int8-amx'));
  for (const backend of ['onebit', 'browser-onebit'] as const) expect(misfit('int8-amx', backend)).toBeUndefined();
});

test('float16 belongs on GPUs', () => {
  for (const backend of ['cuda', 'webgpu', 'browser-webgpu'] as const) expect(misfit('fp16', backend)).toBeUndefined();
  for (const backend of ['cpu', 'wasm', 'browser-wasm', 'browser-webgl'] as const) expect(misfit('fp16', backend)).toMatch(/export --for /);
});

test('class names: the first that differs is named', () => {
  expect(otherLabel(['cat', 'dog', 'owl'], ['cat', 'owl', 'dog'])).toBe(
    'class 1 is dog in the file and owl in the data. Check that both have the same order',
  );
});

test('class names: nothing is said of the same names, or where one has none', () => {
  expect(otherLabel(['cat', 'dog'], ['cat', 'dog'])).toBeUndefined();
  expect(otherLabel(undefined, ['cat', 'dog'])).toBeUndefined();
  expect(otherLabel(['cat', 'dog'], undefined)).toBeUndefined();
});

test.each([
  [['cat', 'dog'], { classes: 2, classLabels: ['0', '1'], classOrder: 'number' as const }, undefined],
  [undefined, { classes: 2, classLabels: ['cat', 'dog'] }, undefined], // a set that numbers its classes itself
  [
    undefined,
    { classes: 3, classLabels: ['0', '2', '10'], classOrder: 'number' as const },
    'folders are assumed in order of number: 0, 2, 10',
  ],
  [undefined, { classes: 2, classLabels: ['cat', 'dog'], classOrder: 'name' as const }, 'folders are assumed in order of name: cat, dog'],
  [undefined, { classes: 3, classLabels: undefined }, 'labels 0 to 2 of the data are assumed to be the outputs in this order'],
  [undefined, { classes: 99, classLabels: Array.from({ length: 99 }, (_, i) => `${i}`), classOrder: 'number' as const }, '9, 10, ..., 98'],
])('classes %j in the file, %j in the data', (file, data, said) => {
  const line = assumedOrder(file, data);
  if (said === undefined) expect(line).toBeUndefined();
  else expect(line?.endsWith(said)).toBe(true);
});
