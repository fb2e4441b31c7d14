/** What runs a plan: memory, and the kernels on one or more threads. */
import type { Kernels } from './kernel.ts';
import type { Plan } from './plan.ts';

export interface Engine {
  readonly memory: ArrayBufferLike;
  readonly threads: number;
  /**
   * Computes the logits of the first `count` images that stand in memory, at most as many as the plan's batch.
   * @param times the milliseconds of each call are added to it
   */
  run(count: number, times?: Float64Array): void;
  /** Ends the threads and lets go of the memory. */
  release(): void;
}

/** Every tile on the caller's thread. */
export function singleEngine(plan: Plan, memory: ArrayBufferLike, kernels: Kernels): Engine {
  plan.fill(memory);
  const scratch = plan.scratch(0);
  return {
    memory,
    threads: 1,
    run(count, times) {
      for (const [i, { kernel, block, tiles }] of plan.calls.entries()) {
        const start = times ? performance.now() : 0;
        kernels[kernel](block, 0, count * tiles, scratch);
        if (times) times[i] = (times[i] as number) + performance.now() - start;
      }
    },
    release() {},
  };
}
