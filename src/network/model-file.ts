/**
 * The project's own model file: safetensors with the configuration as JSON in its metadata. Float tensors are
 * F32 in their shape; bits are U8, one dimension of bytes, whose shape follows from the configuration.
 */
import { InputError } from '../errors.ts';
import { networkName, readConfig } from './config.ts';
import { describeJson } from './json.ts';
import { type About, checkModel, type Model } from './model.ts';
import { readSafetensors, type SafetensorsFile, type StoredTensor, writeSafetensors } from './safetensors.ts';
import { bitTensor, floatTensor, type Tensor } from './tensor.ts';
import { parameters } from './topology.ts';

const FORMAT = 'model file';
const VERSION = '1';

/** Whether a safetensors file is one of ours. */
export function isModelFile(file: SafetensorsFile): boolean {
  return file.metadata.has('wrn.model_version');
}

/** Encodes a model; the same model gives the same bytes. */
export function writeModelFile(model: Model): Uint8Array {
  const metadata = new Map([
    ['wrn.model_version', VERSION],
    ['wrn.network', networkName(model.config)],
    ['wrn.config', JSON.stringify(model.config)],
    ['wrn.about', JSON.stringify(model.about)],
  ]);
  const tensors = new Map<string, StoredTensor>();
  for (const { name } of parameters(model.config)) tensors.set(name, store(model.tensors.get(name) as Tensor));
  return writeSafetensors({ metadata, tensors });
}

/**
 * Decodes a model file.
 * @throws InputError when it is not one of ours or a parameter is missing, left over or of the wrong shape.
 */
export function readModelFile(bytes: Uint8Array): Model {
  return fromSafetensors(readSafetensors(bytes));
}

export function fromSafetensors(file: SafetensorsFile): Model {
  const version = file.metadata.get('wrn.model_version');
  if (version !== VERSION) throw new InputError(FORMAT, 'wrn.model_version', `expected ${VERSION}, got ${version ?? 'nothing'}`);
  const config = readConfig(parse(file, 'wrn.config'));
  const shapes = new Map(parameters(config).map(({ name, shape, dtype }) => [name, { shape, dtype }]));
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, bytes }] of file.tensors) {
    if (dtype === 'F32') tensors.set(name, floatTensor(shape, floats(bytes)));
    else if (dtype === 'U8') tensors.set(name, bitTensor(shapes.get(name)?.shape ?? shape, bytes));
    else throw new InputError(FORMAT, `tensor ${name}`, `expected F32 or U8, got ${dtype}`);
  }
  return checkModel({ config, tensors, about: readAbout(parse(file, 'wrn.about'), config.classes) }, FORMAT);
}

function store(tensor: Tensor): StoredTensor {
  if (tensor.dtype === 'bits') return { dtype: 'U8', shape: [tensor.data.length], bytes: tensor.data };
  const { buffer, byteOffset, byteLength } = tensor.data;
  return { dtype: 'F32', shape: tensor.shape, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
}

function floats(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length / 4); // a copy: tensors of a file need not be aligned
  new Uint8Array(values.buffer).set(bytes);
  return values;
}

function parse(file: SafetensorsFile, key: string): unknown {
  try {
    return JSON.parse(file.metadata.get(key) ?? '');
  } catch {
    throw new InputError(FORMAT, `metadata ${key}`, 'expected JSON, got something else');
  }
}

function readAbout(json: unknown, classes: number): About {
  const isText = (value: unknown) => typeof value === 'string';
  const fields: Record<keyof About, { expected: string; holds: (value: unknown) => boolean }> = {
    dialect: { expected: 'text', holds: isText },
    dataset: { expected: 'text', holds: isText },
    classLabels: {
      expected: `${classes} texts`,
      holds: (value) => Array.isArray(value) && value.length === classes && value.every(isText),
    },
    testAccuracy: { expected: 'a number from 0 to 1', holds: (value) => typeof value === 'number' && value >= 0 && value <= 1 },
    sourceSha256: { expected: 'text', holds: isText },
  };
  if (typeof json !== 'object' || json === null)
    throw new InputError(FORMAT, 'metadata wrn.about', `expected an object, got ${describeJson(json)}`);
  const about = Object.fromEntries(Object.entries(json).filter(([key]) => Object.hasOwn(fields, key)));
  for (const [key, { expected, holds }] of Object.entries(fields)) {
    if (key in about && !holds(about[key]))
      throw new InputError(FORMAT, `about.${key}`, `expected ${expected}, got ${describeJson(about[key])}`);
  }
  return { dialect: 'unknown', ...about };
}
