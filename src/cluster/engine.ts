/** The interface of everything that runs work. */
import type { EngineOptions, Work } from './work.ts';

export interface Engine {
  /** The options that it takes, besides retries. */
  readonly options: readonly (keyof EngineOptions)[];
  /**
   * Checks that the work can be handed over.
   * @throws UsageError when an option or path does not fit
   */
  check(work: Work, options: EngineOptions): void;
  /** What `start` hands over, to read or to run by hand. */
  render(work: Work, options: EngineOptions): string;
  /**
   * Finds the work of an earlier command that has not ended.
   * @throws DeviceError when the engine is not there
   */
  find(work: Work, options: EngineOptions): Promise<Handed | undefined>;
  /**
   * Hands the work over.
   * @throws DeviceError when the engine is not there; UsageError when it refuses the options. Nothing is left behind then
   */
  start(work: Work, options: EngineOptions): Promise<Handed>;
}

/** Work in the hands of an engine. */
export interface Handed {
  /** For the user, such as `job 12`. */
  readonly name: string;
  look(): Promise<Look>;
  /** When the user stops following. @returns what becomes of the work, for the user */
  leave(): Promise<string>;
}

export interface Look {
  readonly running: number;
  readonly waiting: number;
  /** Why tasks wait; empty if the engine gives no reason. */
  readonly reason: string;
  /** Why tasks ended, as far as the engine knows, for those that left no result. */
  readonly ended: ReadonlyMap<number, string>;
}
