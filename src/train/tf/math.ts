/** The precision of TensorFlow's products. */

/**
 * `bf16`: convolutions and matrix products round their factors to bfloat16 (8 bits of mantissa) and add in float32. Weights, momenta,
 * batch norm and everything stored stay float32. On a processor without bfloat16 products it is the same as `float32`.
 */
export type MathMode = 'float32' | 'bf16';

/**
 * Variables that oneDNN, the library below TensorFlow's convolutions, reads once when it loads: TensorFlow passes the first to every
 * op that it builds, and the second is for ops without it (tensorflow/core/util/onednn_env_vars.cc; oneDNN, "Floating-point Math Mode").
 */
export function mathVariables(math: MathMode): Readonly<Record<string, string>> {
  const mode = math === 'bf16' ? 'BF16' : 'STRICT';
  return { TF_SET_ONEDNN_FPMATH_MODE: mode, ONEDNN_DEFAULT_FPMATH_MODE: mode };
}
