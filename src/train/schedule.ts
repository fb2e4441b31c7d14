/** Learning rate schedules. Time is measured in epochs and advances with every batch. */
export type Schedule =
  | {
      /** Cosine from `high` to `low` with restarts, each cycle twice as long as the one before (Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5). */
      readonly kind: 'warm-restarts';
      readonly high: number;
      readonly low: number;
      /** Length of the first cycle in epochs. With 2, cycles end after 2, 6, 14, 30, 62 ... epochs. */
      readonly firstCycle: number;
    }
  | {
      /** The training is divided into equal parts with one rate each. */
      readonly kind: 'steps';
      readonly rates: readonly number[];
      readonly epochs: number;
    };

/** Learning rate of the batch that begins at `time` epochs. */
export function learningRate(schedule: Schedule, time: number): number {
  if (schedule.kind === 'steps') {
    const part = Math.floor((time / schedule.epochs) * schedule.rates.length);
    return schedule.rates[Math.min(part, schedule.rates.length - 1)] as number;
  }
  const { high, low, firstCycle } = schedule;
  const cycle = cycleAt(firstCycle, time);
  const start = cycleStart(firstCycle, cycle);
  const passed = (time - start) / (firstCycle * 2 ** cycle);
  return low + ((high - low) / 2) * (1 + Math.cos(Math.PI * passed));
}

/** Whether a cycle ends after this many epochs, so that the network can be tested. A step schedule has one cycle. */
export function isCycleEnd(schedule: Schedule, epochs: number): boolean {
  if (schedule.kind === 'steps') return epochs === schedule.epochs;
  return epochs > 0 && cycleStart(schedule.firstCycle, cycleAt(schedule.firstCycle, epochs)) === epochs;
}

/** The cycle ends before and after this epoch. A step schedule has one end. */
export function nearestCycleEnds(schedule: Schedule, epochs: number): number[] {
  if (schedule.kind === 'steps') return [schedule.epochs];
  const cycle = cycleAt(schedule.firstCycle, epochs);
  return [cycle, cycle + 1].map((next) => cycleStart(schedule.firstCycle, next)).filter((end) => end > 0);
}

/** Cycle c covers epochs firstCycle * (2^c - 1) to firstCycle * (2^(c + 1) - 1). */
function cycleAt(firstCycle: number, time: number): number {
  return Math.floor(Math.log2(time / firstCycle + 1));
}

function cycleStart(firstCycle: number, cycle: number): number {
  return firstCycle * (2 ** cycle - 1);
}
