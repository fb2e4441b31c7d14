/** `inspect`: prints layers, sizes, configuration and metadata of a file. */
import { Command } from 'commander';
import { type Inspection, inspect } from '../../converters/inspect/inspect.ts';
import type { OnnxSummary, Value } from '../../converters/inspect/onnx-summary.ts';
import { prepareToRead } from '../../converters/read.ts';
import type { LayerSummary } from '../network/summary.ts';
import { grouped } from '../numbers.ts';
import { printable } from '../printable.ts';
import { formatOption } from './shared/arguments.ts';
import { readInputAs } from './shared/input-file.ts';
import { printJson, printText } from './shared/results.ts';
import { networkPath } from './shared/shipped-models.ts';
import { drawTable } from './shared/table.ts';

export function command(): Command {
  return new Command('inspect')
    .argument('<file>', 'ONNX file, or any source that export reads; recognised by content')
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx inspect wrn-20-10.onnx')
    .action(async (file: string, { format }: { format: 'human' | 'json' }) => {
      const inspection = await readInputAs(networkPath(file), async (bytes) => {
        await prepareToRead(bytes);
        return inspect(bytes);
      });
      if (format === 'json') printJson({ file, ...inspection });
      else printText(`${describe(file, inspection)}\n`);
    });
}

const times = (n: number) => `${n.toFixed(n < 10 ? 2 : 1)}x`;
const pair = (sizes: readonly number[] | null) => sizes?.join('x') ?? '';

function describe(file: string, { network, kind, layers, totals, bytes, config, about, onnx, notes }: Inspection): string {
  const title = [network ?? 'ONNX model', kind, `${grouped(bytes)} bytes`].filter(Boolean).join(', ');
  const settings = config && Object.entries(config).map(([field, value]) => `${field} ${JSON.stringify(value)}`);
  const facts = about && Object.entries(about).map(([field, value]) => `${field} ${Array.isArray(value) ? value.join(', ') : value}`);
  return [
    printable(`${file}: ${title}`),
    layerTable(layers, totals),
    totalsTable(bytes, totals),
    section('Configuration', settings),
    section('Notes', notes.length > 0 ? notes : null),
    section('About', facts),
    section('ONNX', onnx && describeOnnx(onnx)),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function section(title: string, lines: readonly string[] | null): string {
  return lines ? [title, ...lines.map((line) => `  ${printable(line)}`)].join('\n') : '';
}

const right = 'right' as const;

/** Layers without parameters and without a window (ReLU, add...) cost almost nothing and appear in the JSON only. */
function layerTable(layers: readonly LayerSummary[], totals: Inspection['totals']): string {
  const head = [
    'layer',
    'op',
    'kernel',
    'stride',
    'channels',
    'output',
    'bits',
    'weights',
    'multiply-adds',
    'bytes',
    'float32 bytes',
    'ratio',
  ];
  const align = head.map((_, column) => (column < 2 ? ('left' as const) : right));
  const rows: (string | number)[][] = [];
  const amount = (n: number | null) => (n === null ? '?' : n === 0 ? '' : grouped(n));
  const ratio = (row: { bytes: number; float32Bytes: number }) =>
    row.bytes > 0 && row.float32Bytes > 0 ? times(row.float32Bytes / row.bytes) : '';
  for (const row of layers) {
    if (row.bytes === 0 && row.weights === 0 && row.kernel === null) continue;
    const channels = [row.inputChannels, row.outputChannels].filter((n) => n !== null).join(' to ');
    const sizes = [amount(row.weights), amount(row.multiplyAccumulates), amount(row.bytes), amount(row.float32Bytes)];
    rows.push([row.name, row.op, pair(row.kernel), pair(row.stride), channels, pair(row.output), row.bits ?? '', ...sizes, ratio(row)]);
  }
  const { weights, multiplyAccumulates, bytes, float32Bytes } = totals;
  rows.push(['total', '', '', '', '', '', '', ...[weights, multiplyAccumulates, bytes, float32Bytes].map(amount), ratio(totals)]);
  return drawTable(head, rows, { align, lines: 'head' });
}

function totalsTable(fileBytes: number, totals: Inspection['totals']): string {
  const { weights, oneBitWeights, multiplyAccumulates, oneBitMultiplyAccumulates, float32Bytes, bitsPerWeight, compression } = totals;
  if (bitsPerWeight === null || compression === null) return ''; // for other files the total row of the layers says it
  const rows = [
    ['bytes', grouped(fileBytes), grouped(float32Bytes), times(compression)],
    ['bits per weight', bitsPerWeight.toFixed(3), ((float32Bytes * 8) / weights).toFixed(3), times(compression)],
  ];
  const table = drawTable(['', 'this file', 'float32', 'ratio'], rows, { align: ['left', right, right, right], lines: 'head' });
  const products =
    multiplyAccumulates !== null &&
    [
      `${grouped(oneBitWeights)} of ${grouped(weights)} weights and ${grouped(oneBitMultiplyAccumulates)} of ${grouped(multiplyAccumulates)} multiply-adds per image`,
      'are one bit: a dedicated kernel adds or subtracts where float32 multiplies.',
    ].join(' ');
  return [table, ...(products ? [products] : [])].join('\n');
}

function describeOnnx(onnx: OnnxSummary): string[] {
  const entries = (record: Readonly<Record<string, string | number>>) => Object.entries(record).map(([key, value]) => `${key} ${value}`);
  const { count, bytes, external, sparse } = onnx.initializers;
  const elsewhere = external > 0 ? `, ${grouped(external)} of them in other files` : '';
  return [
    `IR version ${onnx.irVersion}; operator sets ${entries(onnx.opsets).join(', ')}; written by ${onnx.producer || 'unknown'}`,
    ...onnx.inputs.map((value) => `input ${describeValue(value)}`),
    ...onnx.outputs.map((value) => `output ${describeValue(value)}`),
    `${grouped(onnx.nodes)} nodes: ${entries(onnx.ops).join(', ')}`,
    ...onnx.functions.map((f) => `function ${f.name}: ${f.nodes} nodes, called ${f.calls} times`),
    `${grouped(count)} stored tensors, ${grouped(bytes)} bytes${elsewhere}${sparse > 0 ? `; ${sparse} sparse` : ''}`,
    onnx.unknownDomains.length > 0
      ? `needs operators that ONNX does not define, from ${onnx.unknownDomains.join(', ')}`
      : 'every operator is defined by ONNX or by a function in the file',
    ...Object.entries(onnx.metadata).map(([key, value]) => `metadata ${key}: ${shortened(value)}`),
  ];
}

/** Long enough for class labels of a few words; some producers store whole programs there. */
const MAX_METADATA = 200;

/** The beginning of a long text, on one line; the JSON has all of it. */
function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  if (line.length <= MAX_METADATA && !text.trim().includes('\n')) return text;
  return `${line.slice(0, MAX_METADATA)}${line.length > MAX_METADATA ? '...' : ''} (${grouped(text.length)} characters: --format json shows all)`;
}

function describeValue({ name, type, shape }: Value): string {
  return `${name}: ${type}${shape ? ` [${shape.map((size) => size ?? '?').join(', ')}]` : ''}`;
}
