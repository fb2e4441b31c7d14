/** Work that an engine runs: numbered tasks of one command, and a last command after them. */
import type { ErrorCode } from '../errors.ts';

/** Stands for the number of the task in a word of its command. No argument of a program can hold this character. */
export const TASK = '\0';

export interface Work {
  /** Lower-case letters, digits and dashes. The same work always has the same name, so that its jobs are found again. */
  readonly name: string;
  /** Absolute path of the folder of results, on a disk that all nodes see. Output goes to `logs/` in it. */
  readonly folder: string;
  /** Absolute path of the folder that relative paths in the commands start from. */
  readonly cwd: string;
  /** Absolute paths that tasks read, besides `folder`. */
  readonly reads: readonly string[];
  /** The program on this machine and on nodes that share its disk, in front of `task` and `last`. */
  readonly program: readonly string[];
  /** The user whose files the results become, where the program would run as another one. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Variables that the commands need. */
  readonly environment: Readonly<Record<string, string>>;
  /** Number of tasks, those that are done included. They count from 1. */
  readonly count: number;
  /** The tasks to run, rising. */
  readonly tasks: readonly number[];
  /** Arguments of a task; `TASK` in a word stands for its number. */
  readonly task: readonly string[];
  /** Arguments of the command that runs when all tasks are done. */
  readonly last?: readonly string[] | undefined;
  /** Whether a task writes a checkpoint at SIGTERM, and goes on from it when it is started again. */
  readonly resumes: boolean;
  /** Per task. */
  readonly cpus: number;
  /** Per task; undefined if it was not measured. */
  readonly memoryBytes?: number | undefined;
}

/** What the user asks of an engine. Each engine takes some of these, see `engines.ts`. */
export interface EngineOptions {
  /** How often a task is started again after it crashed. */
  readonly retries: number;
  readonly partition?: string | undefined;
  /** Time limit of a task, as the engine writes it. */
  readonly time?: string | undefined;
  /** More options of sbatch, as a line. */
  readonly sbatch?: string | undefined;
  readonly image?: string | undefined;
  /** Persistent volume claims and where they are mounted, as `claim:/path`. */
  readonly volume?: readonly string[] | undefined;
  /** Tasks that run at once. */
  readonly jobs?: number | undefined;
}

/** Exit codes of a task after which it is not started again: it would end in the same way, or was stopped on purpose. */
export const FINAL_EXIT_CODES: readonly number[] = [0, 1, 2, 3, 130];

/** How a task ended that left no result. */
export interface TaskFailure {
  readonly task: number;
  readonly code: ErrorCode;
  readonly message: string;
}
