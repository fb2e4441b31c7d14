/** Files with a fixed batch size, which WebGL and FPGA compilers need. */
import type { ModelProto, ValueInfoProto } from '../../proto/onnx.ts';

/** Writes the batch size as the first size of every input and output; changes `proto`. */
export function fixBatch(proto: ModelProto, batch: number): void {
  const values: readonly ValueInfoProto[] = [...(proto.graph?.input ?? []), ...(proto.graph?.output ?? [])];
  for (const { type } of values) {
    const dim = type?.tensor_type?.shape?.dim;
    if (dim?.[0]) dim[0] = { dim_value: batch };
  }
}
