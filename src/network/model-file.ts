/**
 * The project's own model file: safetensors with the configuration as JSON in its metadata. Float tensors are F32
 * and keep their shape. Bits are a one-dimensional U8 tensor; their shape follows from the configuration.
 */
import { InputError } from '../errors.ts';
import { metadataJson, readSafetensors, type SafetensorsFile, type StoredTensor, writeSafetensors } from '../formats/safetensors.ts';
import { asBytes, toFloats } from '../formats/typed-array.ts';
import { networkName, readConfig } from './config.ts';
import { checkModel, type Model } from './model.ts';
import { readProvenance } from './provenance.ts';
import { bitTensor, floatTensor, type Tensor } from './tensor.ts';
import { parameters } from './topology.ts';
import { isDamaged, modelDigest, TENSORS_SHA256, tensorsDigest, WEIGHTS_SHA256 } from './weights-digest.ts';

const FORMAT = 'model file';
const VERSION = '1';

/** Whether a safetensors file is a model file of this project. */
export function isModelFile(file: SafetensorsFile): boolean {
  return file.metadata.has('wrn.model_version');
}

/**
 * Encodes a model. The same model always gives the same bytes.
 * @example
 * await writeFile('copy.safetensors', writeModelFile(model));
 */
export function writeModelFile(model: Model): Uint8Array {
  const tensors = new Map<string, StoredTensor>();
  for (const { name } of parameters(model.config)) tensors.set(name, store(model.tensors.get(name) as Tensor));
  const metadata = new Map([
    ['wrn.model_version', VERSION],
    ['wrn.network', networkName(model.config)],
    ['wrn.config', JSON.stringify(model.config)],
    ['wrn.about', JSON.stringify(model.about)],
    [WEIGHTS_SHA256, modelDigest(model)],
    [TENSORS_SHA256, storedDigest(tensors)],
  ]);
  return writeSafetensors({ metadata, tensors });
}

function storedDigest(tensors: SafetensorsFile['tensors']): string {
  return tensorsDigest([...tensors].map(([name, { dtype, shape, bytes }]) => [`${name} ${dtype} ${shape.join('x')}`, [bytes]]));
}

/**
 * Decodes a model file.
 * @throws InputError when it is not a model file, or a parameter is missing, left over or of the wrong shape
 * @example
 * const model = readModelFile(await readFile('model.safetensors'));
 */
export function readModelFile(bytes: Uint8Array): Model {
  return fromSafetensors(readSafetensors(bytes));
}

export function fromSafetensors(file: SafetensorsFile): Model {
  const version = file.metadata.get('wrn.model_version');
  if (version !== VERSION) throw new InputError(FORMAT, 'wrn.model_version', `expected ${VERSION}, got ${version ?? 'nothing'}`);
  const config = readConfig(metadataJson(file, 'wrn.config', FORMAT));
  const shapes = new Map(parameters(config).map(({ name, shape, dtype }) => [name, { shape, dtype }]));
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, bytes }] of file.tensors) {
    if (dtype === 'F32') tensors.set(name, floatTensor(shape, toFloats(bytes)));
    else if (dtype === 'U8') tensors.set(name, bitTensor(shapes.get(name)?.shape ?? shape, bytes));
    else throw new InputError(FORMAT, `tensor ${name}`, `expected F32 or U8, got ${dtype}`);
  }
  const place = (field: string) => (field === 'root' ? 'metadata wrn.about' : `about.${field}`);
  const about = readProvenance(metadataJson(file, 'wrn.about', FORMAT), config.classes, FORMAT, place);
  requireIntact(file, WEIGHTS_SHA256, modelDigest({ config, tensors }), (stated, found) => stated !== found);
  requireIntact(file, TENSORS_SHA256, storedDigest(file.tensors), isDamaged);
  return checkModel({ config, tensors, about }, FORMAT);
}

function requireIntact(file: SafetensorsFile, key: string, found: string, differs: (stated: string, found: string) => boolean): void {
  const stated = file.metadata.get(key);
  if (stated === undefined || !differs(stated, found)) return;
  const what = key === WEIGHTS_SHA256 ? 'weights' : 'tensors';
  throw new InputError(
    FORMAT,
    key,
    `expected ${what} with the digest ${stated}, got ${found}. The file was changed or damaged: get it again`,
  );
}

function store(tensor: Tensor): StoredTensor {
  if (tensor.dtype === 'bits') return { dtype: 'U8', shape: [tensor.data.length], bytes: tensor.data };
  return { dtype: 'F32', shape: tensor.shape, bytes: asBytes(tensor.data) };
}
