/** When, where and how a result came about: what a report needs to be found and made again. */

export interface RunRecord {
  /** ISO 8601, UTC. */
  readonly date: string;
  /** Processor, system and version of Node; of merged parts each that differs. */
  readonly machine: string;
  /** For a POSIX shell. */
  readonly command: string;
}
