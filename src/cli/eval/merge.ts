/** `merge`: combines the results of shards. */
import { Command } from 'commander';
import { formatOption } from '../shared/arguments.ts';
import { requireWritable } from '../shared/output-file.ts';
import { expandPaths } from '../shared/paths.ts';
import { runRecord } from '../shared/run-record.ts';
import { wideOption } from '../shared/table.ts';
import { mergeFiles, writeReport, writeResult } from './report.ts';
import { printReport, requireParity } from './result-table.ts';

interface Flags {
  readonly output?: string;
  readonly report?: string;
  readonly force: boolean;
  readonly wide: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return new Command('merge')
    .argument(
      '<part...>',
      'JSON results of eval --shard i/n --format json, one file per shard; folders and patterns such as part-*.json are expanded',
    )
    .option('--report <file>', 'write the result as an HTML page')
    .option('-o, --output <folder>', 'write result.json and report.html into this folder and replace earlier ones')
    .option('--force', 'replace an existing page', false)
    .addOption(formatOption())
    .addOption(wideOption())
    .addHelpText(
      'after',
      `
The result equals that of eval without --shard, except for times and memory: speed is measured over all shards
together, load time and memory are the largest of any shard. The exit code is the same as for eval.

Example:
  $ for i in 1 2 3; do wrn-onnx eval net.onnx --data cifar-10 --backend cpu,wasm --shard $i/3 --format json > part-$i.json; done
  $ wrn-onnx merge part-*.json`,
    )
    .action(run);
}

async function run(files: readonly string[], flags: Flags): Promise<void> {
  const rules = { force: flags.force, sources: files };
  if (flags.report !== undefined) requireWritable(flags.report, rules);
  const { report, machines } = await mergeFiles(await expandPaths(files, /\.json$/));
  const record = runRecord(machines);
  printReport(report, record, { format: flags.format, wide: flags.wide });
  if (flags.report !== undefined) await writeReport(flags.report, report, { ...rules, ...record });
  if (flags.output !== undefined) await writeResult(flags.output, report, machines);
  requireParity(report);
}
