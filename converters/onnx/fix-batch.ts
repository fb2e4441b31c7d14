/** Files for a fixed number of images: WebGL and FPGA compilers take no other. */
import type { ModelProto, ValueInfoProto } from '../../proto/onnx.ts';

/** Writes the number of images into every input and output, which begin with it; changes `proto`. */
export function fixBatch(proto: ModelProto, batch: number): void {
  const values: readonly ValueInfoProto[] = [...(proto.graph?.input ?? []), ...(proto.graph?.output ?? [])];
  for (const { type } of values) {
    const dim = type?.tensor_type?.shape?.dim;
    if (dim?.[0]) dim[0] = { dim_value: batch };
  }
}
