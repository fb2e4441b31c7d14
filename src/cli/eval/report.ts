/** Results of `eval` as files: pages, and JSON that is read again to compare or to merge. */
import { join } from 'node:path';
import type { PageOptions } from '../../../eval/html/report-page.ts';
import { Merger, readPart } from '../../../eval/merge.ts';
import { type Report, toReport } from '../../../eval/report.ts';
import { InputError } from '../../errors.ts';
import { readInput } from '../shared/input-file.ts';
import { type OutputRules, writeOutput } from '../shared/output-file.ts';
import { runRecord } from '../shared/run-record.ts';

/** Writes the page. */
export async function writeReport(path: string, report: Report, { force, sources, ...page }: PageOptions & OutputRules): Promise<void> {
  await writeOutput(path, await reportFile(report, page), { force, sources });
}

/** The page as a file. */
export async function reportFile(report: Report, page: PageOptions): Promise<Uint8Array> {
  const { reportPage } = await import('../../../eval/html/report-page.ts'); // loaded only when a page is written
  return Buffer.from(await reportPage(report, page));
}

/** Writes result.json and report.html of an evaluation in shards, and replaces earlier ones. */
export async function writeResult(folder: string, report: Report, machines: readonly string[]): Promise<void> {
  const record = runRecord(machines);
  await writeReport(join(folder, 'report.html'), report, { ...record, force: true });
  await writeOutput(join(folder, 'result.json'), Buffer.from(`${JSON.stringify({ ...report, ...record })}\n`), { force: true });
}

/**
 * Results of other files on `data`, to show beside this one.
 * @throws InputError for a file that is not a result, or a result on other data
 */
export async function readReports(paths: readonly string[], data: string): Promise<Report[]> {
  const reports: Report[] = [];
  for (const path of paths) {
    const { subject, runs } = readPart(await readInput(path), path);
    if (subject.data !== data) throw new InputError('report', path, `expected a result on ${data}, got one on ${subject.data}`);
    reports.push(toReport(subject, runs));
  }
  return reports;
}

/** The report of all shards, read one file at a time, and the machines that they ran on. */
export async function mergeFiles(paths: readonly string[]): Promise<{ report: Report; machines: string[] }> {
  const merger = new Merger();
  const machines = new Set<string>();
  for (const path of paths) {
    const part = readPart(await readInput(path), path);
    merger.add(part);
    if (part.machine !== undefined) machines.add(part.machine);
  }
  return { report: merger.report(), machines: [...machines] };
}
