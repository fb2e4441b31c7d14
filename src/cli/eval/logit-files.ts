/** `eval --save-logits`: one file per row of the report, written when all logits are known. */
import { type Report, type Row, rowName, type Subject } from '../../../eval/report.ts';
import { LogitSpool } from '../../../eval/tally/logit-spool.ts';
import { writeNpy } from '../../formats/npy.ts';
import { type OutputRules, requireWritable, writeOutput } from '../shared/output-file.ts';

export class LogitFiles {
  readonly #subject: Pick<Subject, 'model' | 'against'>;
  readonly #paths: ReadonlyMap<string, string>;
  readonly #spools = new Map<string, LogitSpool>();
  readonly #rules: OutputRules;

  /**
   * @param path of the file, or the prefix of several; no files when undefined
   * @throws UsageError when one cannot be written
   */
  constructor(path: string | undefined, subject: Pick<Subject, 'model' | 'against'>, rows: readonly Row[], rules: OutputRules) {
    const stem = path?.replace(/\.npy$/, '');
    const several = ({ backend, model }: Row) => [stem, ...(subject.against ? [model ?? subject.model] : []), backend, 'npy'].join('.');
    this.#subject = subject;
    this.#paths = new Map(path === undefined ? [] : rows.map((row) => [rowName(subject, row), rows.length === 1 ? path : several(row)]));
    this.#rules = rules;
    for (const file of this.#paths.values()) requireWritable(file, rules);
  }

  /** @param from index of the first image */
  async open(classes: number, from: number): Promise<void> {
    for (const row of this.#paths.keys()) this.#spools.set(row, await LogitSpool.open(classes, from));
  }

  keep(row: string, offset: number, logits: Float32Array): void {
    this.#spools.get(row)?.write(offset, logits);
  }

  /** Writes the logits of an evaluation, complete or not. */
  async write({ results }: Report): Promise<void> {
    for (const result of results) {
      const row = rowName(this.#subject, result);
      const [path, spool] = [this.#paths.get(row), this.#spools.get(row)];
      if (!path || !spool) continue;
      const { tally } = result;
      await writeOutput(path, writeNpy([tally.images, tally.classes], spool.pieces(tally.images)), this.#rules);
      await spool.close();
    }
  }
}
