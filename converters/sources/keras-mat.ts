/**
 * The author's Keras networks saved by scipy as `*_allparams.mat`: `*conv2d*` holds 0/1 kernels shaped
 * [1, height, width, inputs, outputs], `*batch_normalization*` two rows (mean, variance) or four (gamma, beta,
 * mean, variance).
 */
import { InputError } from '../../src/errors.ts';
import type { MatArray, MatFile } from '../../src/formats/mat5.ts';
import type { Model } from '../../src/network/model.ts';
import type { Provenance } from '../../src/network/provenance.ts';
import type { Asked } from './asked.ts';
import { packHWIO } from './column-major.ts';
import { byNumber, fromKerasLayers, isConvName, isNormName, type KerasConv, type KerasNorm } from './keras.ts';
import { passOver } from './mat-extras.ts';

const FORMAT = 'keras .mat';

/** Names of other Keras layers with weights: a file with one holds another network. */
const OTHER_LAYERS = /dense|conv|norm|embedding|prelu|gru|lstm|attention/;

/** Whether the variables are named as Keras names layers. */
export function isKerasMat(file: MatFile): boolean {
  return [...file.keys()].some(isConvName);
}

/**
 * Canonical model of a `*_allparams.mat`.
 * @throws InputError that names a variable that is missing, left over or of the wrong shape
 */
export function fromKerasMat(file: MatFile, origin: Omit<Provenance, 'dialect'>, asked: Asked): Model {
  const convs: KerasConv[] = [];
  const norms: KerasNorm[] = [];
  const others = new Map<string, MatArray>();
  for (const [name, array] of file) {
    const isLayer = isConvName(name) || isNormName(name);
    if (!isLayer && !OTHER_LAYERS.test(name)) others.set(name, array);
    else if (!isLayer || array.kind !== 'numeric')
      throw new InputError(FORMAT, `variable ${name}`, `expected kernels and batch norms only, got ${array.kind}`);
    else if (isConvName(name)) convs.push(convOf(name, array));
    else norms.push({ name, rows: rowsOf(array) });
  }
  const { imageSize, notes } = passOver(others, FORMAT);
  return fromKerasLayers(
    { format: FORMAT, convs: byNumber(convs), norms: byNumber(norms), imageSize, notes },
    { dialect: 'keras', ...origin },
    asked,
  );
}

function convOf(name: string, { dims, data }: Extract<MatArray, { kind: 'numeric' }>): KerasConv {
  const [one, height = 0, width = 0, inputs = 0, outputs = 1] = dims; // MATLAB drops a last dimension of size 1
  if (one !== 1 || dims.length < 4 || dims.length > 5)
    throw new InputError(FORMAT, `variable ${name}`, `expected shape [1, height, width, inputs, outputs], got [${dims.join(', ')}]`);
  const bits = () => {
    const packed = packHWIO(data, [height, width, inputs, outputs]);
    if (typeof packed === 'number') throw new InputError(FORMAT, `variable ${name}`, `expected bits 0 and 1, got ${packed}`);
    return packed;
  };
  return { name, height, width, inputs, outputs, kernel: { kind: 'bits', bits } };
}

/** Rows of a column-major array. */
function rowsOf({ dims, data }: Extract<MatArray, { kind: 'numeric' }>): Float32Array[] {
  const [rows = 0] = dims;
  if (rows > 4) return [Float32Array.from(data)]; // its layer refuses this shape
  return Array.from({ length: rows }, (_, row) =>
    Float32Array.from({ length: data.length / rows }, (_, c) => data[c * rows + row] as number),
  );
}
