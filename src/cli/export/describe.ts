/** Parts of a verification as text, shared by the forms and layouts of `export`. */
import type { Accuracy } from '../../../eval/verify/rounded-form.ts';
import type { ZerosDifference } from '../../../eval/verify/zeros.ts';
import { grouped, percent, significant } from '../../numbers.ts';

/** `96.25 % (95.86 % to 96.62 %)`: accuracy and its 95 % interval. */
export function describeAccuracy({ top1, interval }: Accuracy): string {
  return `${percent(top1)} (${interval.map((bound) => percent(bound)).join(' to ')})`;
}

/** The effect of storing weights of exactly zero as +1. */
export function describeZeros({ weights, images, agreed, relError }: ZerosDifference): string {
  const cost = `logits of ${images} noise images differ by ${significant(relError)}, ${agreed} of ${images} predictions agree`;
  return `  ${grouped(weights)} weights are stored as +1 where training had sign(0) = 0: ${cost}`;
}
