/**
 * Messages between the lobby and the page on a device, as JSON. The page asks for its next call, carries it out with the code
 * that the `browser-*` backends run, and sends the answer until the lobby has taken it. Safe for browsers.
 */
import type { PageOpen } from '../browser/page.ts';

export interface Call {
  /** Unique in a run. */
  readonly id: number;
  /** The frame of the page that holds the model. A page that was loaded again opens it anew, by `open`. */
  readonly session: number;
  readonly open: PageOpen;
  readonly method: 'open' | 'run' | 'time' | 'close';
  readonly args: readonly unknown[];
}

/** The state of the run, for the person who holds the device. */
export interface Status {
  readonly text: string;
  readonly done: number;
  readonly total: number;
  /** The run is over, and `text` is its verdict. */
  readonly ended: boolean;
}

/** Answer to `next`; without a call, ask again. */
export interface Turn {
  readonly call: Call | null;
  readonly status: Status;
}

/** Which device asks, in every request. */
export interface Asking {
  /** Chosen by the page and kept while its tab lives, so that a page that is loaded again gets its place back. */
  readonly key: string;
  /** Chosen anew by every page. */
  readonly instance: string;
}

export interface Join extends Asking {
  /** Browser, system and GPU. */
  readonly name: string;
}

export interface Answer extends Asking {
  readonly id: number;
  readonly value?: unknown;
  /** One line, when the call failed. */
  readonly error?: string;
}
