/** `eval --save-logits`: one file per backend, written when all logits are known. */

import type { BackendName } from '../../../eval/backends/table.ts';
import type { Report } from '../../../eval/report.ts';
import { LogitSpool } from '../../../eval/tally/logit-spool.ts';
import { writeNpy } from '../../formats/npy.ts';
import { type OutputRules, requireWritable, writeOutput } from '../shared/output-file.ts';

export class LogitFiles {
  readonly #paths: ReadonlyMap<BackendName, string>;
  readonly #spools = new Map<BackendName, LogitSpool>();
  readonly #rules: OutputRules;

  /**
   * @param path of the file, or what the names of several begin with; no files when undefined
   * @throws UsageError when one cannot be written
   */
  constructor(path: string | undefined, backends: readonly BackendName[], rules: OutputRules) {
    const stem = path?.replace(/\.npy$/, '');
    this.#paths = new Map(path === undefined ? [] : backends.map((name) => [name, backends.length === 1 ? path : `${stem}.${name}.npy`]));
    this.#rules = rules;
    for (const file of this.#paths.values()) requireWritable(file, rules);
  }

  /** @param from index of the first image */
  async open(classes: number, from: number): Promise<void> {
    for (const backend of this.#paths.keys()) this.#spools.set(backend, await LogitSpool.open(classes, from));
  }

  keep(backend: BackendName, offset: number, logits: Float32Array): void {
    this.#spools.get(backend)?.write(offset, logits);
  }

  /** Writes what an evaluation, complete or not, has found. */
  async write({ results }: Report): Promise<void> {
    for (const { backend, tally } of results) {
      const [path, spool] = [this.#paths.get(backend), this.#spools.get(backend)];
      if (!path || !spool) continue;
      await writeOutput(path, writeNpy([tally.images, tally.classes], spool.pieces(tally.images)), this.#rules);
      await spool.close();
    }
  }
}
