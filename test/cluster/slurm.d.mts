/** A Slurm of this machine alone. */
export interface Slurm {
  /** Variables with which its commands find it. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs one of its commands; throws when that fails. @returns what it prints */
  command(name: string, ...args: readonly string[]): string;
  /** Lets jobs that wait after a crash start at once, in place of two minutes later. */
  hurry(): void;
  /** Processes below a node's daemon, jobs and their commands included. */
  processesOf(node: string): number[];
  /** Kills a node's daemon and starts it again. */
  restart(node: string): Promise<void>;
  /** Ends all jobs and every daemon, and removes its folder. */
  stop(): Promise<void>;
}

export const missing: string | undefined;
/** Whether a node can be given a view of the disk of its own. */
export const canHide: boolean;

/**
 * Starts a cluster of nodes n1, n2, ... with one slot each.
 * @param hidden a folder that the last node does not see
 */
export function startSlurm(nodes: number, hidden?: string): Promise<Slurm>;
