/** Numbers in lines for people. */
import type { Accuracy } from '../../../eval/verify/rounded-form.ts';

export function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(2)} %`;
}

export function accuracy({ top1, interval }: Accuracy): string {
  return `${percent(top1)} (${interval.map(percent).join(' to ')})`;
}
