/** Makes inner tensors of a file visible as outputs. */
import { encodeModel, type ModelProto } from '../../proto/onnx.ts';

/** The file with these tensors among its outputs; a runtime cannot fuse across them. */
export function withOutputs(proto: ModelProto, names: readonly string[]): Uint8Array {
  const outputs = proto.graph?.output ?? [];
  const there = new Set(outputs.map(({ name }) => name));
  const added = names.filter((name) => !there.has(name)).map((name) => ({ name }));
  return encodeModel({ ...proto, graph: { ...proto.graph, output: [...outputs, ...added] } });
}
