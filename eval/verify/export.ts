/** The proof that an exported file is the model it was made from: read back bit by bit, and run. */

import type { InputLayout } from '../../converters/onnx/metadata.ts';
import { readOnnxModel } from '../../converters/onnx/read.ts';
import type { ExportOptions } from '../../converters/onnx/write.ts';
import { ParityError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import type { Model } from '../../src/network/model.ts';
import { IMAGES as INPUT, LOGITS } from '../../src/network/topology.ts';
import { InferenceSession, Tensor } from '../onnxruntime.ts';
import { noise } from '../runtime/noise.ts';
import { runBatch } from '../runtime/runtime.ts';
import { addDifference, noDifference, relativeError } from '../tally/metrics.ts';
import { referenceLogits } from './reference.ts';

/** Largest norm of the logit difference over the norm of the reference. */
export const EXPORT_TOLERANCE = 1e-4;

export interface Verification {
  /** One-bit weights found equal to the source's. */
  readonly bits: number;
  /** Float values (moments, scales, float kernels) found equal. */
  readonly floats: number;
  /** Images run. */
  readonly images: number;
  readonly relError: number;
}

const IMAGES = 1;

/**
 * Compares an exported file with its model: every tensor for equality, then the logits of one batch in
 * onnxruntime with the reference.
 * @throws ParityError at the first difference.
 */
export async function verifyExport(file: Uint8Array, model: Model, options: ExportOptions): Promise<Verification> {
  const counts = compareTensors(readOnnxModel(file), model);
  const images = noise(IMAGES * elements(Object.values(model.config.input)));
  const expected = await referenceLogits(model, images, IMAGES);
  const got = await logits(file, model, images, options.input);
  const relError = relativeError(addDifference(noDifference, got, expected));
  if (!(relError <= EXPORT_TOLERANCE)) {
    throw new ParityError(`logits differ from the reference: expected a relative error of at most ${EXPORT_TOLERANCE}, got ${relError}`);
  }
  return { ...counts, images: IMAGES, relError };
}

/**
 * Runs the images through onnxruntime's CPU provider and frees the session. Without graph optimization the weights
 * are unpacked as the layers run, which halves the memory of a network that is run once.
 */
async function logits(file: Uint8Array, model: Model, images: Uint8Array, input: InputLayout): Promise<Float32Array> {
  const session = await InferenceSession.create(file, { graphOptimizationLevel: 'disabled', enableCpuMemArena: false });
  try {
    const { outputs } = await runBatch({ InferenceSession, Tensor }, session, { ...inputs[input], ...model.config.input }, images, IMAGES);
    return outputs[LOGITS]?.data as Float32Array;
  } finally {
    await session.release();
  }
}

/** How a file with each layout takes images. */
const inputs = {
  'nchw-float': { name: INPUT, type: 'float32', layout: 'nchw' },
  'nhwc-uint8': { name: INPUT, type: 'uint8', layout: 'nhwc' },
} as const;

function compareTensors(got: Model, expected: Model): { bits: number; floats: number } {
  const counts = { bits: 0, floats: 0 };
  for (const [name, tensor] of expected.tensors) {
    const other = got.tensors.get(name);
    if (other?.dtype !== tensor.dtype || !bytesOf(other.data).equals(bytesOf(tensor.data))) {
      throw new ParityError(`read back from the file, ${name} differs from the source`);
    }
    counts[tensor.dtype === 'bits' ? 'bits' : 'floats'] += elements(tensor.shape);
  }
  return counts;
}

function bytesOf(data: Uint8Array | Float32Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
