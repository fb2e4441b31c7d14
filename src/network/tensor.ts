/** A tensor of the canonical model, row-major. Kernels are OIHW. */
export type Tensor = FloatTensor | BitTensor;

export interface FloatTensor {
  readonly dtype: 'float32';
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** One bit per element (1 is +1, 0 is -1), packed as described in `sign.ts`. `shape` counts elements, not bytes. */
export interface BitTensor {
  readonly dtype: 'bits';
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export function floatTensor(shape: readonly number[], data: Float32Array): FloatTensor {
  return { dtype: 'float32', shape, data };
}

export function bitTensor(shape: readonly number[], data: Uint8Array): BitTensor {
  return { dtype: 'bits', shape, data };
}
