/** Progress of a training on stderr. */
import { percent, significant } from '../../numbers.ts';
import type { LogEntry } from '../../train/run/log.ts';
import type { StepReport } from '../../train/train.ts';
import { duration, inTerminal, Pace, Progress } from '../shared/progress.ts';

/** Progress of a training on stderr: one line per epoch and per test; in between, a line rewritten in place on a terminal, or a plain line now and then. */
export class TrainingProgress {
  #start: { readonly step: number; readonly time: number } | undefined;
  #speed = '';
  #left = '';
  #open = false;
  readonly #pace = new Pace();
  readonly #bar = new Progress();

  step({ epoch, step, steps, loss, teacherLoss, error, rate }: StepReport, batch: number): void {
    if (this.#start) {
      const perSecond = ((step - this.#start.step) * 1000) / (performance.now() - this.#start.time);
      this.#left = step < steps ? `, ${duration((steps - step) / perSecond)} left` : '';
      this.#speed = `, ${speed(perSecond * batch)}`;
    } else this.#start = { step, time: performance.now() }; // the first step builds the graph, and is not measured
    const terminal = inTerminal();
    if (!terminal && !this.#pace.due()) return;
    const errors = `loss ${loss.toFixed(4)}${taught(teacherLoss)}, training error ${percent(error)}`;
    const line = `epoch ${epoch}, step ${step}/${steps}: ${errors}, rate ${significant(rate)}${this.#speed}${this.#left}`;
    process.stderr.write(terminal ? `\r\x1b[K${line}` : `${line}\n`);
    this.#open = terminal;
  }

  entry(entry: LogEntry): void {
    this.end();
    const { epoch } = entry;
    process.stderr.write(
      entry.kind === 'epoch'
        ? `epoch ${epoch}: loss ${entry.loss.toFixed(4)}${taught(entry.teacherLoss)}, training error ${percent(entry.trainError)}, rate ${significant(entry.rate)}, ${speed(entry.imagesPerSecond)}${this.#left}\n`
        : `epoch ${epoch}: test error ${percent(entry.testError)}\n`,
    );
  }

  /** A pass over images without training, as a bar in a terminal. */
  pass(what: string, images: number, total: number): void {
    this.#bar.update(what, images, total);
  }

  /** Ends the line that is being rewritten. */
  end(): void {
    this.#bar.stop();
    if (this.#open) process.stderr.write('\n');
    this.#open = false;
  }
}

function taught(loss: number | undefined): string {
  return loss === undefined ? '' : `, to teacher ${loss.toFixed(4)}`;
}

function speed(imagesPerSecond: number): string {
  return `${significant(imagesPerSecond)} images/s`;
}
