/** When, where and how a result was measured, to find and reproduce it. */

export interface RunRecord {
  /** ISO 8601, UTC. */
  readonly date: string;
  /** Processor, system and version of Node; for merged parts, each different one. */
  readonly machine: string;
  /** The command line, quoted for a POSIX shell. */
  readonly command: string;
}
