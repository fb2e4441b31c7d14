/** A file of format version 2 in version 1, for tools that look for layers and weights in the graph. */
import { decodeModel, encodeModel, type ModelProto, toNumber } from '../../../proto/onnx.ts';
import { readMetadata } from '../../../src/network/file-metadata.ts';
import { fromOnnx } from '../read.ts';
import { toFlatProto } from '../write.ts';

/**
 * The same network with a node for every layer and an initializer for every number, its inputs and outputs unchanged; other files as
 * they are.
 * @throws InputError when the file lacks a number
 */
export function flatten(proto: ModelProto): ModelProto {
  const metadata = readMetadata(proto.metadata_props);
  if (metadata?.version !== 2) return proto;
  const [images] = proto.graph?.input ?? [];
  const batch = toNumber(images?.type?.tensor_type?.shape?.dim?.[0]?.dim_value, 'batch');
  return toFlatProto(fromOnnx(proto), {
    input: metadata.input,
    inputName: images?.name ?? undefined,
    batch: batch > 0 ? batch : undefined,
  });
}

/** The same for the bytes of a file. onnxruntime makes the same graph of both, but names its nodes after the layers only here. */
export function flattenFile(file: Uint8Array): Uint8Array {
  const proto = decodeModel(file);
  const flat = flatten(proto);
  return flat === proto ? file : encodeModel(flat);
}
