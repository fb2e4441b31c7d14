/** The log of a training run, in JSON lines. */
import * as v from 'valibot';
import { InputError } from '../../errors.ts';
import { byKind, object, oneOf, type Schema } from '../../formats/schema.ts';
import { mathModes } from '../recipe.ts';
import type { MathMode } from '../tf/math.ts';

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

const real = v.number();
const place = { epoch: real, step: real };
const schema: Schema<LogEntry> = byKind({
  epoch: object({
    kind: oneOf('epoch'),
    ...place,
    loss: real,
    trainError: real,
    rate: real,
    imagesPerSecond: real,
    tensors: real,
    rssBytes: real,
    math: v.exactOptional(oneOf(...mathModes)),
    teacherLoss: v.exactOptional(real),
  }),
  test: object({ kind: oneOf('test'), ...place, testError: real }),
});

/**
 * Decodes a log.
 * @param name of the file, for errors
 * @throws InputError that names the first invalid log line
 */
export function readLog(text: string, name: string): LogEntry[] {
  return text.split(/\r?\n/).flatMap((line, i) => {
    if (line === '') return [];
    const { success, output } = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), line);
    if (success) return [output];
    throw new InputError('log', `${name} line ${i + 1}`, 'expected a log entry (kind epoch or test) as JSON, got something else');
  });
}
