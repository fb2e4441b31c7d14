import type { ZerosDifference } from '../../../eval/verify/zeros.ts';
import { grouped, significant } from '../../numbers.ts';

/** What it costs that weights of exactly zero are stored as +1, for people. */
export function describeZeros({ weights, images, agreed, relError }: ZerosDifference): string {
  const cost = `logits of ${images} noise images differ by ${significant(relError)}, ${agreed} of ${images} predictions agree`;
  return `  ${grouped(weights)} weights are stored as +1 where training had sign(0) = 0: ${cost}`;
}
