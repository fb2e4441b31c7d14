/** The inputs and outputs of a file as its caller wants them: a fixed batch size, another name of the input. */
import type { ModelProto, ValueInfoProto } from '../../proto/onnx.ts';
import { UsageError } from '../../src/errors.ts';
import { IMAGES } from '../../src/network/topology.ts';

export interface SignatureOptions {
  /** Fixed batch size, which WebGL, FPGA compilers and some runtimes of phones need; when absent, the caller chooses it. */
  readonly batch?: number | undefined;
  /** Name of the image input; `images` by default. */
  readonly inputName?: string | undefined;
}

/**
 * Applies the options to a file of ours; changes `proto`.
 * @throws UsageError when the name is taken in the graph or is no name
 */
export function setSignature(proto: ModelProto, { batch, inputName }: SignatureOptions): void {
  if (inputName !== undefined && inputName !== IMAGES) renameInput(proto, inputName);
  if (batch !== undefined) fixBatch(proto, batch);
}

/** Writes the batch size, or the name of one that is free, as the first size of every input and output; changes `proto`. */
export function fixBatch(proto: ModelProto, batch: number | string): void {
  const values: readonly ValueInfoProto[] = [...(proto.graph?.input ?? []), ...(proto.graph?.output ?? [])];
  for (const { type } of values) {
    const dim = type?.tensor_type?.shape?.dim;
    if (dim?.[0]) dim[0] = typeof batch === 'number' ? { dim_value: batch } : { dim_param: batch };
  }
}

/** Names that every runtime and binding takes: those of ONNX's specification and the dots and colons of frameworks. */
const NAME = /^[A-Za-z_][\w.:/-]{0,99}$/;

function renameInput({ graph }: ModelProto, name: string): void {
  if (!NAME.test(name))
    throw new UsageError(
      `input name: expected a letter, then letters, digits and any of _ . : / -, at most 100, got ${name.slice(0, 100)}`,
    );
  const taken = [...(graph?.node ?? []).flatMap(({ output }) => output ?? []), ...(graph?.initializer ?? []).map((tensor) => tensor.name)];
  if (taken.includes(name)) throw new UsageError(`input name ${name}: is the name of a tensor in the graph. Choose another`);
  for (const input of graph?.input ?? []) if (input.name === IMAGES) input.name = name;
  for (const node of graph?.node ?? []) node.input = (node.input ?? []).map((input) => (input === IMAGES ? name : input));
}
