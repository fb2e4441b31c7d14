/** The forms of an exported file: one row each, differing only in how the weights of a convolution are written. */
import type { FunctionProto, TensorProto } from '../../proto/onnx.ts';
import type { BitTensor, FloatTensor } from '../../src/network/tensor.ts';
import { dense } from './form-dense.ts';
import { inline } from './form-inline.ts';
import { packed } from './form-packed.ts';
import { qonnx } from './form-qonnx.ts';
import type { Graph } from './graph.ts';

export interface Form {
  /** What it is for, one line. */
  readonly title: string;
  /** Adds what makes the float weights +-s of the convolution `name`, and returns the name of that tensor. */
  kernel(graph: Graph, name: string, bits: BitTensor, scale: FloatTensor): string;
  /** Model-local functions that the nodes call. */
  readonly functions: readonly FunctionProto[];
  /** Reads the bits and the scale of the convolution `name` back; undefined when it is not stored in this form. */
  read(
    initializers: ReadonlyMap<string, TensorProto>,
    name: string,
    shape: readonly number[],
  ): { bits: Uint8Array; scale: Float32Array } | undefined;
}

export const forms = { packed, inline, dense, qonnx } satisfies Record<string, Form>;

export type FormName = keyof typeof forms;
