/** A file of format version 2 in version 1, for tools that look for layers and weights in the graph. */
import { decodeModel, encodeModel, type ModelProto, toNumber } from '../../../proto/onnx.ts';
import { sameBytes } from '../../../src/formats/typed-array.ts';
import { readMetadata } from '../../../src/network/file-metadata.ts';
import { fromOnnx } from '../read.ts';
import { toFlatProto, toOnnxProto } from '../write.ts';

/**
 * The same network with a node for every layer and an initializer for every number, its inputs and outputs unchanged. Other files stay
 * as they are, also those whose nodes or functions were changed: they compute what these say, and not what the metadata says.
 * @throws InputError when the file lacks a number
 */
export function flatten(proto: ModelProto): ModelProto {
  const metadata = readMetadata(proto.metadata_props);
  if (metadata?.version !== 2) return proto;
  const [images] = proto.graph?.input ?? [];
  const batch = toNumber(images?.type?.tensor_type?.shape?.dim?.[0]?.dim_value, 'batch');
  const model = fromOnnx(proto);
  const options = { input: metadata.input, inputName: images?.name ?? undefined, batch: batch > 0 ? batch : undefined };
  const isOurs = sameBytes(computation(proto), computation(toOnnxProto(model, options)));
  return isOurs ? toFlatProto(model, options) : proto;
}

const computation = ({ graph, functions }: ModelProto) => encodeModel({ graph: graph ?? null, functions: functions ?? null });

/** The same for the bytes of a file. onnxruntime makes the same graph of both, but names its nodes after the layers only here. */
export function flattenFile(file: Uint8Array): Uint8Array {
  const proto = decodeModel(file);
  const flat = flatten(proto);
  return flat === proto ? file : encodeModel(flat);
}
