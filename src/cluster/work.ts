/** Work for an engine: numbered tasks of one command, then a last command. */
import type { ErrorCode } from '../errors.ts';

/** Placeholder for the task number in the words of a command. No program argument can contain this character. */
export const TASK = '\0';

export interface Work {
  /** Lower-case letters, digits and dashes. The same work always has the same name, so that its jobs are found again. */
  readonly name: string;
  /** Absolute path of the result folder, on a disk that all nodes share. The tasks' output goes to `logs/` in it. */
  readonly folder: string;
  /** Working directory of the commands, absolute. */
  readonly cwd: string;
  /** Absolute paths that tasks read, besides `folder`. */
  readonly reads: readonly string[];
  /** The program, as the first words before `task` and `last`, on this machine and on nodes that share its disk. */
  readonly program: readonly string[];
  /** Owner of the result files, for engines that would run the program as another user. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Environment variables for the commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** Number of all tasks, including those that have a result. Tasks are numbered from 1. */
  readonly count: number;
  /** Numbers of the tasks to run, ascending. */
  readonly tasks: readonly number[];
  /** Arguments of a task, with `TASK` for its number. */
  readonly task: readonly string[];
  /** Arguments of the command that runs after all tasks. */
  readonly last?: readonly string[] | undefined;
  /** Whether a task saves a checkpoint at SIGTERM and resumes from it after a restart. */
  readonly resumes: boolean;
  /** Per task. */
  readonly cpus: number;
  /** Per task; undefined if it was not measured. */
  readonly memoryBytes?: number | undefined;
}

/** Name of the job that runs `last`. */
export const lastName = ({ name }: Pick<Work, 'name'>): string => `${name}-merge`;

/** Options for an engine. Each engine takes some of them (`Engine.options`). */
export interface EngineOptions {
  /** Number of restarts of a task that crashes. */
  readonly retries: number;
  readonly partition?: string | undefined;
  /** Time limit of a task, as the engine writes it. */
  readonly time?: string | undefined;
  /** Additional options of sbatch, on one line. */
  readonly sbatch?: string | undefined;
  readonly image?: string | undefined;
  /** Persistent volume claims and their mount points, as `claim:/path`. */
  readonly volume?: readonly string[] | undefined;
  /** Number of parallel tasks. */
  readonly jobs?: number | undefined;
}

/** Exit codes after which a task is not restarted: it would end in the same way, or was stopped on purpose. */
export const FINAL_EXIT_CODES: readonly number[] = [0, 1, 2, 3, 130];

/** The error of a task that left no result. */
export interface TaskFailure {
  readonly task: number;
  readonly code: ErrorCode;
  readonly message: string;
}
