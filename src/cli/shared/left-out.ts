/** Image files that are left out because they cannot be decoded: collected while a data set is opened, then named. */
import { say } from './results.ts';

/** Broken files that are named. */
const MAX_NAMED = 20;

/** Option of every command that reads image files. */
export const SKIP_BROKEN = ['--skip-broken', 'leave out image files that cannot be decoded, and name them'] as const;

/** Collects files; `report` says how many were left out and names the first. */
export class LeftOut {
  readonly #files: string[] = [];

  readonly add = (path: string, reason: string): void => {
    this.#files.push(`${path} (${reason})`);
  };

  report(): void {
    const { length } = this.#files;
    if (length === 0) return;
    say(
      `left out ${length} ${length === 1 ? 'file' : 'files'}: ${this.#files.slice(0, MAX_NAMED).join(', ')}${length > MAX_NAMED ? ', ...' : ''}`,
    );
  }
}
