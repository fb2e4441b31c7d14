/** The log of a training run, in JSON lines. */
import { InputError } from '../errors.ts';

/** A line of the log. */
export type LogEntry = EpochEntry | TestEntry;

interface Entry {
  readonly epoch: number;
  /** Batches since the start. */
  readonly step: number;
}

export interface EpochEntry extends Entry {
  readonly kind: 'epoch';
  /** Mean cross entropy and fraction of wrong answers over the epoch's augmented batches, while the weights moved. */
  readonly loss: number;
  readonly trainError: number;
  /** Learning rate of the last batch. */
  readonly rate: number;
  readonly imagesPerSecond: number;
  /** Live tensors and resident memory: constant, or there is a leak. */
  readonly tensors: number;
  readonly rssBytes: number;
}

export interface TestEntry extends Entry {
  readonly kind: 'test';
  /** Fraction of the test images classified wrong, with moments measured for these weights. */
  readonly testError: number;
}

/** What every line of a kind holds, each a number. */
const fields: Readonly<Record<LogEntry['kind'], readonly string[]>> = {
  epoch: ['epoch', 'step', 'loss', 'trainError', 'rate', 'imagesPerSecond', 'tensors', 'rssBytes'],
  test: ['epoch', 'step', 'testError'],
};

/**
 * Decodes a log.
 * @param name of the file, for the error.
 * @throws InputError naming the first line that is none of a log.
 */
export function readLog(text: string, name: string): LogEntry[] {
  return text
    .split(/\r?\n/)
    .filter(Boolean)
    .map((line, i) => {
      const entry = parse(line) as Record<string, unknown> | null;
      const expected = Object.entries(fields).find(([kind]) => kind === entry?.['kind'])?.[1];
      if (!expected?.every((field) => typeof entry?.[field] === 'number'))
        throw new InputError('log', `${name} line ${i + 1}`, 'expected an epoch or a test of a training run as JSON, got something else');
      return entry as unknown as LogEntry;
    });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
