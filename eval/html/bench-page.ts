/** Measured speed as one self-contained page. */
import { inPage } from '../../src/chart/look.ts';
import type { Measurement } from '../bench/bench.ts';
import { KEY, settingOf, speedBars } from '../bench/chart.ts';
import type { Profile, ProfileRow } from '../bench/profile.ts';
import type { RunRecord } from '../record.ts';
import type { FileFacts } from '../report.ts';
import { factsOf, htmlDocument, recordSection, tileList } from './document.ts';
import { figure } from './figure.ts';
import { fileSize, measured, percent } from './format.ts';
import { type Html, html } from './html.ts';
import { cardTable } from './table.ts';

export interface FileProfile {
  readonly file: string;
  /** What ran. */
  readonly on: string;
  readonly profile: Profile;
}

export interface BenchContent {
  readonly files: readonly FileFacts[];
  readonly measurements: readonly Measurement[];
  readonly profiles: readonly FileProfile[];
  readonly version: string;
}

/** The same content and record give the same page, byte for byte. */
export function benchPage({ files, measurements, profiles, version }: BenchContent, record: RunRecord): string {
  const names = files.map(({ model }) => model).join(', ');
  return htmlDocument({
    title: `Speed of ${names}`,
    header: html`
<h1>Speed of ${names}</h1>
<p>${record.machine}</p>
${tileList(measurements.length > 0 ? tiles(measurements) : [])}
`,
    main: [
      measurements.length > 0 && speedSection(measurements),
      profiles.map(profileSection),
      recordSection('What was measured', files.flatMap(factsOf), version, record),
    ],
    version,
    date: record.date,
  });
}

const milliseconds = (seconds: number, { batch }: Measurement) => measured((seconds * 1000) / batch);

function tiles(measurements: readonly Measurement[]): [value: string, what: string][] {
  const fastest = measurements.reduce((a, b) => (b.imagesPerSecond > a.imagesPerSecond ? b : a));
  const gain = measurements.reduce((a, b) => (b.speedup > a.speedup ? b : a));
  const all: [string, string][] = [
    [`${milliseconds(fastest.seconds.median, fastest)} ms`, `per image, the fastest: ${fastest.file} on ${settingOf(fastest)}`],
  ];
  if (gain.speedup > 1)
    all.push([`${gain.speedup.toFixed(2)}x`, `the largest gain over the first file: ${gain.file} on ${settingOf(gain)}`]);
  return all;
}

function speedSection(measurements: readonly Measurement[]): Html {
  const told = measurements.map((one) => `${one.file} on ${settingOf(one)}: ${measured(one.imagesPerSecond)} images per second`);
  const several = new Set(measurements.map(({ backend }) => backend)).size > 1;
  const details = new Map(measurements.map(({ backend, detail }) => [backend, detail]));
  return html`<section>
<h2>Images per second</h2>
${figure((width) => speedBars(measurements, { top: 0, width, margin: 6 }, inPage), told.join('; '), `Bars: ${KEY}.`)}
${cardTable(
  `The same in numbers. In parentheses: quartiles of times; load and memory relative to the first file in the same setting. Speed is relative to that file, too.${several ? ` To ${measurements[0]?.backend}: speed relative to the same file there, round by round, with quartiles.` : ''}`,
  [
    'file',
    'setting',
    'ms per image',
    'speed',
    ...(several ? [`to ${measurements[0]?.backend}`] : []),
    'load',
    'first run',
    'memory',
    'size',
  ],
  measurements.map((one) => [
    one.file,
    settingOf(one),
    `${milliseconds(one.seconds.median, one)} (${milliseconds(one.seconds.low, one)} to ${milliseconds(one.seconds.high, one)})`,
    `${one.speedup.toFixed(2)}x`,
    ...(several ? [`${one.ratio.median.toFixed(2)}x (${one.ratio.low.toFixed(2)} to ${one.ratio.high.toFixed(2)})`] : []),
    `${one.loadSeconds.toFixed(2)} s (${one.loadRatio.toFixed(2)})`,
    `${measured(one.firstSeconds)} s`,
    one.peakMemoryBytes === null
      ? '–'
      : `${fileSize(one.peakMemoryBytes)}${one.memoryRatio === null ? '' : ` (${one.memoryRatio.toFixed(2)})`}`,
    fileSize(one.fileBytes),
  ]),
)}
<dl class="ran">
${[...details].map(
  ([backend, detail]) => html`<dt>${backend}</dt><dd>${detail}</dd>
`,
)}</dl>
</section>`;
}

function profileSection({ file, on, profile }: FileProfile): Html {
  const { batch, layers, ops, microsecondsPerImage, matmul, peak } = profile;
  const share = (microseconds: number) => percent(microseconds / microsecondsPerImage, 1);
  const giga = (rate: number) => `${(rate / 1e9).toFixed(0)} G multiply-accumulates per second`;
  return html`<section>
<h2>${file} layer by layer</h2>
<p>On ${on}, batch size ${batch}: ${measured(microsecondsPerImage / 1000)} ms per image. By operator: ${ops.map(({ op, microsecondsPerImage: time }) => `${op} ${share(time)}`).join(', ')}.</p>
<div class="scroll" role="region" aria-label="Time of each layer of ${file}" tabindex="0">
<table>
<thead><tr>${['layer', 'µs per image', 'share', 'M MACs', 'of peak'].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${layers.map(
  (
    row,
  ) => html`<tr><th scope="row">${nameOf(row)} <small>${row.ops.join(' ')}</small></th><td>${measured(row.microsecondsPerImage)}</td><td>${share(row.microsecondsPerImage)}</td><td>${row.multiplyAccumulates ? (row.multiplyAccumulates / 1e6).toFixed(1) : '–'}</td><td>${percent(row.ofPeak, 1)}</td></tr>
`,
)}</tbody>
</table>
</div>
<p class="note">Peak, the fastest layer or product of 1024 x 1024 matrices: float32 ${giga(peak.float32)}, int8 ${giga(peak.int8)}.
The matrix product alone: float32 ${giga(matmul.float32)}, int8 ${giga(matmul.int8)}.</p>
</section>`;
}

/** A layer and those that the runtime fused into it. */
const nameOf = ({ layer, fused }: ProfileRow) => [layer, ...fused.map((name) => name.split('.').at(-1))].join(' + ');
