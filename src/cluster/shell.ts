/** Commands as text for a POSIX shell. */
import { TASK } from './work.ts';

/** A word, quoted when needed. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * Joins words to a command.
 * @param task shell expression that replaces `TASK`
 * @example shellCommand(['eval', `${TASK}/8`], '"$TASK"') // eval "$TASK"/8
 */
export function shellCommand(words: readonly string[], task = ''): string {
  const quoted = (word: string) =>
    word
      .split(TASK)
      .map((part) => (part === '' && word.includes(TASK) ? '' : shellWord(part)))
      .join(task);
  return words.map(quoted).join(' ');
}

/** Ascending whole numbers as `1-3,7`. */
export function ranges(numbers: readonly number[]): string {
  const found: [first: number, last: number][] = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}
