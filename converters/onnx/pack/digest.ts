/** The digest of all weights of any file that this project wrote, packed files of others included. */
import type { ModelProto } from '../../../proto/onnx.ts';
import { InputError } from '../../../src/errors.ts';
import { readMetadata } from '../../../src/network/file-metadata.ts';
import { bitTensor, type Tensor } from '../../../src/network/tensor.ts';
import { WEIGHTS_SHA256, weightsDigest } from '../../../src/network/weights-digest.ts';
import { externalFiles, type ReadExternal } from '../external-data.ts';
import { ownDigest } from '../weights-digest.ts';
import { levelBits, signBits } from './opposite-values.ts';
import { EIGHT_BIT, replaceWeights } from './replace-weights.ts';

/**
 * The digest of a file's current weights; undefined for other projects' files without packed weights.
 * @param read external data, if the file has any
 */
export function digestOf(model: ModelProto, read?: ReadExternal): string | undefined {
  const metadata = readMetadata(model.metadata_props);
  return metadata ? ownDigest(model, metadata.config) : packedDigest(model, read);
}

/**
 * Compares the weights of a file with the digest in its metadata.
 * @returns the digest; undefined for a file without one, such as files of earlier versions, or whose data is in other files
 * @throws InputError when they differ: the file was changed or damaged
 */
export function checkDigest(model: ModelProto): string | undefined {
  const stated = model.metadata_props?.find(({ key }) => key === WEIGHTS_SHA256)?.value;
  if (!stated || externalFiles(model).length > 0) return undefined;
  const found = digestOf(model);
  if (found === stated) return found;
  throw new InputError(
    'onnx',
    `metadata ${WEIGHTS_SHA256}`,
    `expected weights with the digest ${stated}, got ${found ?? 'none'}. The file was changed or damaged: download or export it again`,
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
