/** Thresholds for a backend to count as equal to the reference. */
import type { RecordedForm } from '../../src/network/file-metadata.ts';

export interface Thresholds {
  /** Smallest fraction of images whose most likely class is the reference's. */
  readonly agreement: number;
  /** Largest norm of the logit difference over the norm of the reference. */
  readonly relError: number;
}

/** Float32 kernels of different runtimes differ in the order of their sums: about 1e-6. */
export const defaultThresholds: Thresholds = { agreement: 1, relError: 1e-4 };

/**
 * Forms that round between operators, where runtimes differ: in which sums are float16, and in how ties are rounded. A
 * difference of 1e-7 before a quantizer can become a whole step after it: the author's network in 8 bits differs by 3e-4
 * between onnxruntime on the CPU and in wasm.
 */
const eightBits: Thresholds = { agreement: 0.99, relError: 0.005 };
const roundedThresholds: Readonly<Partial<Record<RecordedForm, Thresholds>>> = {
  int8: eightBits,
  'int8-amx': eightBits,
  fp16: { agreement: 0.98, relError: 0.02 },
};

/**
 * Thresholds for a file of a form, as its metadata name it.
 * @example
 * const { agreement, relError } = thresholdsOf('int8');
 */
export function thresholdsOf(form: RecordedForm | undefined): Thresholds {
  return (form && roundedThresholds[form]) ?? defaultThresholds;
}

/** For two files when one of them rounds: decisions count, as with `export --min-agreement`; int8's logits differ by about 1 % (bench/matrix.txt). */
const acrossForms: Thresholds = { agreement: 0.98, relError: 0.05 };

/** Thresholds for two files of these forms. */
export function thresholdsBetween(a: RecordedForm | undefined, b: RecordedForm | undefined): Thresholds {
  const rounds = (form: RecordedForm | undefined) => form !== undefined && form in roundedThresholds;
  return a !== b && (rounds(a) || rounds(b)) ? acrossForms : thresholdsOf(a);
}

export type Verdict = 'reference' | 'pass' | 'fail';

/** NaN fails. */
export function judge({ agreement, relError }: Thresholds, thresholds: Thresholds): Verdict {
  return agreement >= thresholds.agreement && relError <= thresholds.relError ? 'pass' : 'fail';
}
