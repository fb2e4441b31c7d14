import type { ModelProto, ValueInfoProto } from '../../proto/onnx.ts';

/** The inputs that a caller feeds; before IR version 4, stored tensors are listed as inputs, too. */
export function graphInputs({ graph }: ModelProto): ValueInfoProto[] {
  const stored = new Set(graph?.initializer?.map(({ name }) => name));
  return (graph?.input ?? []).filter(({ name }) => !stored.has(name));
}
