/** Suggestions for misspelled names. */
import { distance } from 'fastest-levenshtein';

/** Lower-case letters and digits only, so that `cifar10` and `CIFAR_10` match `cifar-10`. */
const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/**
 * Suggestion for an unknown name: `. Did you mean cifar-10?`, or an empty string if no known name is similar.
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
