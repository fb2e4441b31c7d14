/** When a backend gives the same answers as the reference. */

export interface Thresholds {
  /** Smallest fraction of images whose most likely class is the reference's. */
  readonly agreement: number;
  /** Largest norm of the logit difference over the norm of the reference. */
  readonly relError: number;
}

/** Float32 kernels of different runtimes differ in the order of their sums: about 1e-6. */
export const defaultThresholds: Thresholds = { agreement: 1, relError: 1e-4 };

/** Forms whose numbers are rounded between operators, where runtimes differ: which sums are float16, where a tie falls. */
const roundedThresholds: Readonly<Record<string, Thresholds>> = {
  fp16: { agreement: 0.98, relError: 0.02 },
};

/** Thresholds for a file of a form, as its metadata name it. */
export function thresholdsOf(form: string | undefined): Thresholds {
  return roundedThresholds[form ?? ''] ?? defaultThresholds;
}

export type Verdict = 'reference' | 'pass' | 'fail';

/** NaN fails. */
export function judge({ agreement, relError }: Thresholds, thresholds: Thresholds): Verdict {
  return agreement >= thresholds.agreement && relError <= thresholds.relError ? 'pass' : 'fail';
}
