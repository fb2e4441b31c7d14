/**
 * MAT-file version 7.3: HDF5 with MATLAB's class as an attribute of each variable. The dimensions are reversed, so the
 * numbers have the same order as in a MAT 5 file.
 */
import { InputError } from '../errors.ts';
import { type HdfArray, type HdfGroup, type HdfNode, isHdf5, isTexts, nodeAt, readHdf5 } from './hdf5.ts';
import { isMat5, type MatArray, type MatFile, type NumericData } from './mat5.ts';

const FORMAT = 'mat 7.3';
/** Group in which MATLAB stores the contents of cells. */
const REFERENCES = '#refs#';
/** Published networks nest cells two levels deep. In a hostile file a cell can refer to itself. */
const MAX_DEPTH = 16;
/** A network of 1200 layers has 5000 cells. */
const MAX_ARRAYS = 100_000;
const NUMERIC = new Set(['double', 'single', 'logical', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64']);

/** Whether the bytes are HDF5 after MATLAB's header of 512 bytes. */
export function isMat73(bytes: Uint8Array): boolean {
  return isMat5(bytes) && isHdf5(bytes);
}

/**
 * Decodes all variables.
 * @throws InputError when the file is damaged
 * @throws UsageError when `prepareHdf5` was not called with them
 */
export function readMat73(bytes: Uint8Array): MatFile {
  const root = readHdf5(bytes);
  const budget = { arrays: MAX_ARRAYS };
  const variables = new Map<string, MatArray>();
  for (const [name, node] of root.members) if (!name.startsWith('#')) variables.set(name, arrayOf(root, name, node, budget, 0));
  return variables;
}

function arrayOf(root: HdfGroup, where: string, node: HdfNode, budget: { arrays: number }, depth: number): MatArray {
  if (depth > MAX_DEPTH || --budget.arrays < 0)
    throw new InputError(FORMAT, where, `expected at most ${MAX_ARRAYS} arrays, nested at most ${MAX_DEPTH} deep, got more`);
  const stated = node.attributes.get('MATLAB_class');
  const className = isTexts(stated) ? (stated[0] ?? '') : '';
  if (node.kind === 'group') return { kind: 'unsupported', dims: [1, 1], className: className || 'struct' };
  const { value, shape, attributes } = node;
  const dims = dimensions(shape);
  if (attributes.has('MATLAB_empty')) return emptyOf(className, value);
  if (className === 'cell' && isTexts(value)) {
    const cells = value.map((path, i) => {
      const target = nodeAt(root, path);
      if (!target || !path.startsWith(`/${REFERENCES}/`))
        throw new InputError(FORMAT, `${where}{${i + 1}}`, `expected an array, got ${target ? 'another variable' : 'nothing'}`);
      return arrayOf(root, `${where}{${i + 1}}`, target, budget, depth + 1);
    });
    return { kind: 'cell', dims, cells };
  }
  const data = numbers(node);
  if (className === 'char' && data) return { kind: 'char', dims, text: Array.from(data, (code) => String.fromCharCode(code)).join('') };
  if (data && (className === '' || NUMERIC.has(className))) return { kind: 'numeric', dims, data };
  return { kind: 'unsupported', dims, className: className || 'unknown' };
}

/** MATLAB's dimensions, at least two. */
function dimensions(shape: readonly number[]): number[] {
  const dims = [...shape].reverse();
  while (dims.length < 2) dims.push(1);
  return dims;
}

/** An empty array. It stores its dimensions instead of numbers. */
function emptyOf(className: string, value: HdfArray['value']): MatArray {
  const stored = value && !isTexts(value) ? Array.from(value as ArrayLike<number | bigint>, Number) : [];
  const dims = stored.length >= 2 && stored.length <= 32 && stored.includes(0) ? stored : [0, 0];
  if (className === 'cell') return { kind: 'cell', dims, cells: [] };
  if (className === 'char') return { kind: 'char', dims, text: '' };
  return { kind: 'numeric', dims, data: new Float64Array(0) };
}

function numbers({ value }: HdfArray): NumericData | undefined {
  if (!value || isTexts(value)) return undefined;
  if (value instanceof BigInt64Array || value instanceof BigUint64Array) return Float64Array.from(value as ArrayLike<bigint>, Number);
  return value as NumericData;
}
