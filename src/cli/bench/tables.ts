/** The results of `bench` as text. */
import type { Measurement } from '../../../eval/bench/bench.ts';
import type { FileProfile } from '../../../eval/html/bench-page.ts';
import type { Shapes } from '../../../eval/runtime/random-run.ts';
import { percent, significant } from '../../numbers.ts';
import { printable } from '../../printable.ts';
import { drawTable, fittedTable } from '../shared/table.ts';

/** Columns left out on a narrow terminal, in this order. */
const OPTIONAL = ['idle', 'first', 'size', 'quartiles', 'memory', 'load', 'threads', 'images/s'];

/** A row per measurement, then the runtimes, random inputs and what the ratios compare. */
export function measurementTable(measurements: readonly Measurement[], wide: boolean): string {
  const [first] = measurements;
  const several = measurements.some(({ backend }) => backend !== first?.backend);
  const times = ['ms/image', 'quartiles', 'images/s', 'speed', ...(several ? [`to ${first?.backend}`] : [])];
  const head = ['file', 'backend', 'threads', 'batch', ...times, 'load', 'first', 'memory', 'idle', 'size'];
  const ratio = (value: number | null) => (value === null ? '' : ` (${value.toFixed(2)})`);
  const rows = measurements.map((one) => {
    const milliseconds = (seconds: number) => significant((seconds * 1000) / one.batch);
    const memory = one.peakMemoryBytes === null ? '-' : `${Math.round(one.peakMemoryBytes / 1e6)} MB${ratio(one.memoryRatio)}`;
    const { median, low, high } = one.seconds;
    const { ratio: rounds } = one;
    return [
      one.file,
      one.backend,
      String(one.threads ?? 'default'),
      String(one.batch),
      milliseconds(median),
      `${milliseconds(low)} to ${milliseconds(high)}`,
      significant(one.imagesPerSecond),
      `${one.speedup.toFixed(2)}x`,
      ...(several ? [`${rounds.median.toFixed(2)}x (${rounds.low.toFixed(2)} to ${rounds.high.toFixed(2)})`] : []),
      `${one.loadSeconds.toFixed(2)} s${ratio(one.loadRatio)}`,
      `${one.firstSeconds.toFixed(3)} s`,
      memory,
      one.idleMemoryBytes === null ? '-' : `${Math.round(one.idleMemoryBytes / 1e6)} MB`,
      `${(one.fileBytes / 1e6).toFixed(2)} MB`,
    ];
  });
  const details = new Map(measurements.map(({ backend, detail }) => [backend, detail]));
  const ran = [...details].map(([backend, detail]) => `  ${backend}: ${detail}\n`).join('');
  const shapes = (inputs: Shapes) => Object.entries(inputs).map(([name, dims]) => `${name} [${dims.join(', ')}]`);
  const random = measurements.map(({ file, inputs }) =>
    inputs ? `  ${printable(file)}: random input ${shapes(inputs).join(', ')}\n` : '',
  );
  const notes = [
    'speed: relative to the first file in the same setting. In parentheses: load time and memory relative to the first file',
    ...(several ? [`to ${first?.backend}: speed relative to the same file there, round by round: median and quartiles`] : []),
    'memory: the largest, of which idle is what the process or page takes before it loads anything',
  ];
  const table = fittedTable(head, rows, { optional: OPTIONAL, wide, lines: 'head' });
  return `${table}\n${ran}${[...new Set(random)].join('')}${notes.join('\n')}\n`;
}

/** A row per layer that the runtime ran, then the time by operator and the peak speed. */
export function profileTable({ file, on, profile }: FileProfile): string {
  const { batch, matmul, peak, layers, ops, microsecondsPerImage } = profile;
  const share = (fraction: number) => percent(fraction, 1);
  const rows = layers.map(({ layer, fused, ops, microsecondsPerImage: time, multiplyAccumulates, ofPeak }) => [
    [layer, ...fused.map((name) => name.split('.').at(-1))].join(' + '),
    ops.join(' '),
    time.toFixed(1),
    share(time / microsecondsPerImage),
    multiplyAccumulates ? (multiplyAccumulates / 1e6).toFixed(1) : '-',
    ofPeak === null ? '-' : share(ofPeak),
  ]);
  const giga = (rate: number) => `${(rate / 1e9).toFixed(0)} G MACs/s`;
  return [
    `\n${printable(file)} on ${on}, batch size ${batch}: ${microsecondsPerImage.toFixed(0)} µs per image`,
    drawTable(['layer', 'operators', 'µs/image', 'share', 'M MACs', 'of peak'], rows, { lines: 'head' }), // a hundred rows
    `  by operator: ${ops.map(({ op, microsecondsPerImage: time }) => `${op} ${share(time / microsecondsPerImage)}`).join(', ')}`,
    `  peak, the fastest layer or product of 1024 x 1024 matrices: float32 ${giga(peak.float32)}, int8 ${giga(peak.int8)}`,
    `  the matrix product alone: float32 ${giga(matmul.float32)}, int8 ${giga(matmul.int8)}`,
    '  conv + norm + relu: the runtime fused these layers into the convolution',
    '',
  ].join('\n');
}
