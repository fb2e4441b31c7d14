/** Verifies that an exported file equals its model: reads it back bit by bit, and runs it. */

import { type Comparison, compareExport } from '../../converters/onnx/compare.ts';
import { ParityError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import type { Model } from '../../src/network/model.ts';
import { LOGITS } from '../../src/network/topology.ts';
import { loadPackage } from '../../src/packages.ts';
import { readClassifier } from '../runtime/model-input.ts';
import { noise } from '../runtime/noise.ts';
import { runBatch } from '../runtime/runtime.ts';
import { addDifference, noDifference, relativeError } from '../tally/metrics.ts';
import { referenceLogits } from './reference.ts';

/** Largest norm of the logit difference over the norm of the reference. */
export const EXPORT_TOLERANCE = 1e-4;

export interface Verification extends Comparison {
  /** Number of images run. */
  readonly images: number;
  readonly relError: number;
}

const IMAGES = 1;

/**
 * Compares an exported file with its model: every tensor for equality, then the logits of one batch in
 * onnxruntime with the reference.
 * @throws ParityError at the first difference; DeviceError when onnxruntime-node is not installed
 * @example
 * const { relError } = await verifyExport(file, { model });
 */
export async function verifyExport(file: Uint8Array, { model }: { readonly model: Model }): Promise<Verification> {
  const counts = compareExport(file, model);
  const images = noise(IMAGES * elements(Object.values(model.config.input)));
  const expected = await referenceLogits(model, { imagesNCHW: images, count: IMAGES });
  const got = await logits(file, images);
  const relError = relativeError(addDifference(noDifference, got, expected));
  if (!(relError <= EXPORT_TOLERANCE)) {
    throw new ParityError(`logits differ from the reference: expected a relative error of at most ${EXPORT_TOLERANCE}, got ${relError}`);
  }
  return { ...counts, images: IMAGES, relError };
}

/**
 * Runs the images through onnxruntime's CPU provider and frees the session. Without graph optimization, weights are
 * unpacked while the layers run, which halves the memory of a network that runs once.
 */
async function logits(file: Uint8Array, images: Uint8Array): Promise<Float32Array> {
  const { input } = readClassifier(file);
  const runtime = await loadPackage('onnxruntime-node');
  const session = await runtime.InferenceSession.create(file, { graphOptimizationLevel: 'disabled', enableCpuMemArena: false });
  try {
    const { outputs } = await runBatch(runtime, session, input, images, IMAGES);
    return outputs[LOGITS]?.data as Float32Array;
  } finally {
    await session.release();
  }
}
