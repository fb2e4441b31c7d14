/** Numbers in lines for people. */
import type { Accuracy } from '../../../eval/verify/rounded-form.ts';
import { percent } from '../../numbers.ts';

export function accuracy({ top1, interval }: Accuracy): string {
  return `${percent(top1)} (${interval.map((bound) => percent(bound)).join(' to ')})`;
}
