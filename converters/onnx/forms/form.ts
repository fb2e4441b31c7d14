/** The interface of a form of an exported file. */
import type { FunctionProto, TensorProto } from '../../../proto/onnx.ts';
import type { BitTensor, FloatTensor } from '../../../src/network/tensor.ts';
import type { Graph } from '../graph.ts';

/** Names of the tensors of a convolution. */
export interface Kernel {
  readonly weights: string;
  /** Scale of the convolution's output, in forms that keep it out of the weights. */
  readonly outputScale?: string;
}

export interface Form {
  /** What it is and where it runs, in one line. */
  readonly title: string;
  /** Adds the weights of the convolution `name`: +-s, or +-1 and an output scale. */
  kernel(graph: Graph, name: string, bits: BitTensor, scale: FloatTensor): Kernel;
  /** Model-local functions that the nodes call. */
  readonly functions: readonly FunctionProto[];
  /** Reads the bits and the scale of the convolution `name` back; undefined when it is not stored in this form. */
  read(
    initializers: ReadonlyMap<string, TensorProto>,
    name: string,
    shape: readonly number[],
  ): { bits: Uint8Array; scale: Float32Array } | undefined;
}
