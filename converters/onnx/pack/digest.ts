/** The digest of all weights of any file that this project wrote, packed files of others included. */
import type { ModelProto } from '../../../proto/onnx.ts';
import { InputError } from '../../../src/errors.ts';
import { readMetadata } from '../../../src/network/file-metadata.ts';
import { bitTensor, type Tensor } from '../../../src/network/tensor.ts';
import { isDamaged, TENSORS_SHA256, WEIGHTS_SHA256, weightsDigest } from '../../../src/network/weights-digest.ts';
import { externalFiles, type ReadExternal } from '../external-data.ts';
import { NUMBERS_SHA256, numbersDigest } from '../layered/stored.ts';
import { EIGHT_BIT } from '../stored.ts';
import { ownDigest, storedDigest } from '../weights-digest.ts';
import { levelBits, signBits } from './opposite-values.ts';
import { replaceWeights } from './replace-weights.ts';

/**
 * The digest of a file's current weights; undefined for other projects' files without packed weights.
 * @param read external data, if the file has any
 */
export function digestOf(model: ModelProto, read?: ReadExternal): string | undefined {
  const metadata = readMetadata(model.metadata_props);
  return metadata ? ownDigest(model, metadata.config) : packedDigest(model, read);
}

/**
 * Compares the weights of a file, and all other stored numbers, with the digests in its metadata.
 * @returns the digest of the weights; undefined for a file without one, such as files of earlier versions, or whose data is in other files
 * @throws InputError when they differ: the file was changed or damaged
 */
export function checkDigest(model: ModelProto): string | undefined {
  const statedBy = (wanted: string) => model.metadata_props?.find(({ key }) => key === wanted)?.value;
  if (externalFiles(model).length > 0) return undefined;
  const numbers = statedBy(NUMBERS_SHA256);
  if (numbers !== undefined && numbers !== numbersDigest(model))
    throw damaged(NUMBERS_SHA256, `stored numbers with the digest ${numbers}`, numbersDigest(model));
  if (numbers !== undefined) return digestOf(model);
  const stated = statedBy(WEIGHTS_SHA256);
  const found = stated ? digestOf(model) : undefined;
  if (stated && found !== stated) throw damaged(WEIGHTS_SHA256, `weights with the digest ${stated}`, found);
  const all = statedBy(TENSORS_SHA256);
  const stored = all ? storedDigest(model) : undefined;
  if (all && stored && isDamaged(all, stored)) throw damaged(TENSORS_SHA256, `stored numbers with the digest ${all}`, stored);
  return found;
}

function damaged(key: string, expected: string, found: string | undefined): InputError {
  return new InputError(
    'onnx',
    `metadata ${key}`,
    `expected ${expected}, got ${found ?? 'none'}. The file was changed or damaged: download or export it again`,
  );
}

/** Digest of the weights made from stored bits, in the order in which layers use them. */
function packedDigest(model: ModelProto, read: ReadExternal | undefined): string | undefined {
  const weights: (readonly [string, Tensor])[] = [];
  replaceWeights(model, { read }, (_, { tensor }, { type, data, dims, unpacked }) => {
    if (unpacked) weights.push([tensor, bitTensor(dims, EIGHT_BIT.has(type) ? levelBits(data) : signBits(data))]);
    return 'read';
  });
  return weights.length > 0 ? weightsDigest(weights) : undefined;
}
