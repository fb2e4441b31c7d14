import { distance } from 'fastest-levenshtein';

/** Letters and digits alone: `cifar10` and `CIFAR_10` mean `cifar-10`. */
const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/**
 * Advice for a name that is unknown: `. Did you mean cifar-10?`, or nothing where none is near.
 *
 *     nearest('cifar10', ['mnist', 'cifar-10']) // '. Did you mean cifar-10?'
 */
export function nearest(name: string, known: readonly string[]): string {
  const asked = plain(name);
  if (asked === '') return '';
  const ranked = known.map((one) => ({ one, edits: distance(asked, plain(one)) })).sort((a, b) => a.edits - b.edits);
  const [best] = ranked;
  return best && best.edits <= Math.max(1, Math.floor(asked.length / 4)) ? `. Did you mean ${best.one}?` : '';
}
