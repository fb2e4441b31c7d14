/** The interface of an engine: a scheduler, or this machine. */
import type { EngineOptions, Work } from './work.ts';

export interface Engine {
  /** Names of the options that it takes, besides `retries`. */
  readonly options: readonly (keyof EngineOptions)[];
  /**
   * Checks the options and paths before anything is submitted.
   * @throws UsageError when an option or path does not fit
   */
  check(work: Work, options: EngineOptions): void;
  /** The script or manifest that `start` submits, to read or to run by hand. */
  render(work: Work, options: EngineOptions): string;
  /**
   * Finds running jobs of an earlier command.
   * @throws DeviceError when the engine is not available
   */
  find(work: Work, options: EngineOptions): Promise<Submitted | undefined>;
  /**
   * Submits the work.
   * @throws DeviceError when the engine is not available; UsageError when it refuses the options. In both cases no job stays submitted
   */
  start(work: Work, options: EngineOptions): Promise<Submitted>;
}

/** Work that was submitted. */
export interface Submitted {
  /** Name for the user, such as `job 12`. */
  readonly name: string;
  look(): Promise<Look>;
  /** Called when the user stops following. @returns what happens to the jobs, as text for the user */
  leave(): Promise<string>;
}

export interface Look {
  readonly running: number;
  readonly waiting: number;
  /** Why tasks wait; empty if the engine gives no reason. */
  readonly reason: string;
  /** Why tasks ended, as far as the engine knows. Used for tasks that left no result. */
  readonly ended: ReadonlyMap<number, string>;
}
