/** Inspects any file: a source of any dialect, a file that this project exported, or any ONNX model. */
import { decodeModel } from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';
import { type NetworkConfig, networkName } from '../../src/network/config.ts';
import { readMetadata } from '../../src/network/file-metadata.ts';
import type { Provenance } from '../../src/network/provenance.ts';
import { type LayerSummary, summarize } from '../../src/network/summary.ts';
import { checkDigest } from '../onnx/pack/digest.ts';
import { describeSource, isSource } from '../read.ts';
import { describeUnread } from '../sources/unread.ts';
import { bytesPerLayer, type OnnxSummary, summarizeOnnx } from './onnx-summary.ts';
import { weightedNodes } from './weighted-nodes.ts';

export interface Inspection {
  /** Size of the file. */
  readonly bytes: number;
  /** E.g. `WRN-20-10`; null for an ONNX file that this project did not write. */
  readonly network: string | null;
  /** Form of an exported file, or dialect of a source; null for other ONNX files. */
  readonly kind: string | null;
  readonly layers: readonly LayerSummary[];
  readonly totals: Totals;
  readonly config: NetworkConfig | null;
  readonly about: Provenance | null;
  readonly onnx: OnnxSummary | null;
  /** What the reader of a source assumed or skipped. */
  readonly notes: readonly string[];
}

/** Sums over the layers, and their size relative to float32 weights. */
export interface Totals {
  readonly weights: number;
  readonly oneBitWeights: number;
  /** For one image; null when the output size of a layer is unknown. */
  readonly multiplyAccumulates: number | null;
  /** Those with one-bit weights: a one-bit kernel adds or subtracts, and multiplies by the scale once. */
  readonly oneBitMultiplyAccumulates: number;
  /** Parameters as stored. */
  readonly bytes: number;
  readonly float32Bytes: number;
  /** Size of the whole file over the number of weights; null for other files, where not all weights may be found. */
  readonly bitsPerWeight: number | null;
  /** How many times smaller the file is than its parameters as float32. */
  readonly compression: number | null;
}

/**
 * @throws InputError when the bytes are neither a source nor an ONNX model, or are damaged.
 * @example
 * const { network, totals } = inspect(file);
 * console.log(network, totals.bitsPerWeight);
 */
export function inspect(bytes: Uint8Array): Inspection {
  if (isSource(bytes)) {
    const { kind, config, about, notes } = describeSource(bytes);
    return { ...describe(bytes.length, kind, config, about, summarize(config), null), notes };
  }
  const proto = decodeOnnx(bytes);
  const metadata = readMetadata(proto.metadata_props);
  checkDigest(proto);
  const onnx = summarizeOnnx(proto);
  if (!metadata) return describe(bytes.length, null, null, null, weightedNodes(proto), onnx);
  const { config, about, form } = metadata;
  return describe(bytes.length, form, config, about, summarize(config, bytesPerLayer(proto)), onnx);
}

/** Any bytes may be protobuf; bytes that are neither a source nor an ONNX model get an error that says so. */
function decodeOnnx(bytes: Uint8Array) {
  try {
    return decodeModel(bytes);
  } catch (error) {
    if (error instanceof InputError && bytes[0] !== 0x08)
      throw new InputError(
        'file',
        '',
        `expected an ONNX model, or a source that export reads, got ${describeUnread(bytes) ?? `none of them (${error.message})`}`,
        { cause: error },
      );
    throw error;
  }
}

function describe(
  bytes: number,
  kind: string | null,
  config: NetworkConfig | null,
  about: Provenance | null,
  layers: readonly LayerSummary[],
  onnx: OnnxSummary | null,
): Inspection {
  const sum = (rows: readonly LayerSummary[], column: 'weights' | 'bytes' | 'float32Bytes') => rows.reduce((n, row) => n + row[column], 0);
  const macs = (rows: readonly LayerSummary[]) => rows.reduce((n, row) => n + (row.multiplyAccumulates ?? 0), 0);
  const oneBit = layers.filter((row) => row.bits === 1);
  const [weights, float32Bytes] = [sum(layers, 'weights'), sum(layers, 'float32Bytes')];
  const totals: Totals = {
    weights,
    oneBitWeights: sum(oneBit, 'weights'),
    multiplyAccumulates: layers.some((row) => row.multiplyAccumulates === null) ? null : macs(layers),
    oneBitMultiplyAccumulates: macs(oneBit),
    bytes: sum(layers, 'bytes'),
    float32Bytes,
    bitsPerWeight: config ? (bytes * 8) / weights : null,
    compression: bytes > 0 ? float32Bytes / bytes : null,
  };
  return { bytes, network: config && networkName(config), kind, layers, totals, config, about, onnx, notes: [] };
}
