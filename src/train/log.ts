/** The log of a training run, in JSON lines. */
import { InputError } from '../errors.ts';
import type { MathMode } from './tf/math.ts';

/** One line of the log. */
export type LogEntry = EpochEntry | TestEntry;

interface Entry {
  readonly epoch: number;
  /** Batches completed since the start. */
  readonly step: number;
}

export interface EpochEntry extends Entry {
  readonly kind: 'epoch';
  /** Mean cross entropy with the labels, and error rate, over the epoch's augmented batches, measured while the weights changed. */
  readonly loss: number;
  readonly trainError: number;
  /** Learning rate in the last batch. */
  readonly rate: number;
  readonly imagesPerSecond: number;
  /** Live tensors and resident memory. If they grow, there is a leak. */
  readonly tensors: number;
  readonly rssBytes: number;
  /** Absent in logs of earlier versions: float32. */
  readonly math?: MathMode;
  /** Mean KL divergence from the teacher's answers at its temperature, when there is a teacher. */
  readonly teacherLoss?: number;
}

export interface TestEntry extends Entry {
  readonly kind: 'test';
  /** Fraction of test images classified incorrectly, with moments measured for these weights. */
  readonly testError: number;
}

/** Required fields of each kind of line. All are numbers. */
const fields: Readonly<Record<LogEntry['kind'], readonly string[]>> = {
  epoch: ['epoch', 'step', 'loss', 'trainError', 'rate', 'imagesPerSecond', 'tensors', 'rssBytes'],
  test: ['epoch', 'step', 'testError'],
};

/**
 * Decodes a log.
 * @param name of the file, for errors
 * @throws InputError that names the first invalid log line
 */
export function readLog(text: string, name: string): LogEntry[] {
  return text
    .split(/\r?\n/)
    .filter(Boolean)
    .map((line, i) => {
      const entry = parse(line) as Record<string, unknown> | null;
      const expected = Object.entries(fields).find(([kind]) => kind === entry?.['kind'])?.[1];
      if (!expected?.every((field) => typeof entry?.[field] === 'number'))
        throw new InputError('log', `${name} line ${i + 1}`, 'expected a log entry (kind epoch or test) as JSON, got something else');
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
