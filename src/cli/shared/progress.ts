import { Presets, SingleBar } from 'cli-progress';

/** A bar with rate and time left on stderr; silent when stderr is not a terminal. */
export class Progress {
  #bar: SingleBar | undefined;
  #label = '';
  #start = 0;
  readonly #unit: string;

  /** @param unit what is counted */
  constructor(unit: 'images' | 'runs' = 'images') {
    this.#unit = unit;
  }

  update(label: string, done: number, total: number): void {
    if (!process.stderr.isTTY) return;
    if (label !== this.#label || !this.#bar) {
      this.stop();
      this.#label = label;
      this.#start = performance.now();
      this.#bar = new SingleBar(
        {
          stream: process.stderr,
          format: '{label} [{bar}] {value}/{total} {unit}, {rate} {unit}/s, {eta_formatted} left',
          hideCursor: true,
        },
        Presets.legacy,
      );
      this.#bar.start(total, 0, { label, unit: this.#unit, rate: '-' });
    }
    const seconds = (performance.now() - this.#start) / 1000;
    this.#bar.update(done, { rate: seconds > 0 ? (done / seconds).toFixed(1) : '-' });
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
