/** Progress on stderr: a bar in a terminal, a plain line now and then elsewhere, nothing with --quiet. */
import { Presets, SingleBar } from 'cli-progress';
import { significant } from '../../numbers.ts';
import { catchInterrupt } from './interrupt.ts';
import { isQuiet } from './quiet.ts';

/** Whether stderr is a terminal that may show a bar. */
export const inTerminal = (): boolean => process.stderr.isTTY === true && !isQuiet();

const FIRST_MINUTES = 10 * 60_000;

/** Says when the next plain line is due: every 10 seconds, after ten minutes once per minute. */
export class Pace {
  #start = performance.now();
  #last = this.#start;

  due(): boolean {
    const now = performance.now();
    if (isQuiet() || now - this.#last < (now - this.#start < FIRST_MINUTES ? 10_000 : 60_000)) return false;
    this.#last = now;
    return true;
  }
}

/** Time that is left, as `40 s`, `12 min` or `3 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

type Unit = 'images' | 'runs' | 'MB' | 'shards' | 'epochs';

/** Bytes as megabytes with one decimal, for the unit MB. */
export function megabytes(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}

/**
 * Runs work with progress on stderr. The first Ctrl-C or SIGTERM fires its signal.
 * @param message of the InterruptedError that is the signal's reason
 */
export async function withProgress<T>(
  unit: Unit,
  message: string,
  work: (progress: Progress, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const interrupt = catchInterrupt(message);
  const progress = new Progress(unit);
  try {
    return await work(progress, interrupt.signal);
  } finally {
    progress.stop();
    interrupt.release();
  }
}

/** Counts one pass after another. */
export class Progress {
  #bar: SingleBar | undefined;
  #label: string | undefined;
  #pace = new Pace();
  /** The first report of a pass: rates count from there, without what it takes to start. */
  #first = { done: 0, time: 0 };
  readonly #unit: Unit;

  /** @param unit what is counted */
  constructor(unit: Unit = 'images') {
    this.#unit = unit;
  }

  /** @param note after the speed */
  update(label: string, done: number, total: number, note = ''): void {
    if (label !== this.#label) this.#begin(label, done, total);
    const seconds = (performance.now() - this.#first.time) / 1000;
    const rate = done > this.#first.done ? (done - this.#first.done) / seconds : undefined;
    const speed = (rate === undefined ? '' : `, ${significant(rate)} ${this.#unit}/s, ${duration((total - done) / rate)} left`) + note;
    if (this.#bar) this.#bar.update(done, { speed });
    else if (this.#pace.due()) process.stderr.write(`${label}: ${done} of ${total} ${this.#unit}${speed}\n`);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#label = undefined;
  }

  #begin(label: string, done: number, total: number): void {
    this.stop();
    this.#label = label;
    this.#first = { done, time: performance.now() };
    this.#pace = new Pace();
    if (!inTerminal()) return;
    const format = `{label} [{bar}] {value}/{total} ${this.#unit}{speed}`;
    this.#bar = new SingleBar({ stream: process.stderr, format, hideCursor: true }, Presets.legacy);
    this.#bar.start(total, 0, { label, speed: '' });
  }
}
