import { Command, Option } from 'commander';
import { mergeParts, type Part, readPart } from '../../../eval/merge.ts';
import { readInput } from '../shared/input-file.ts';
import { requireWritable } from '../shared/output-file.ts';
import { writeReport } from './report.ts';
import { printReport, requireParity } from './result-table.ts';

interface Flags {
  readonly report?: string;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return new Command('merge')
    .argument('<part...>', 'what eval --shard i/n --format json printed, one file a shard')
    .option('--report <file>', 'write the result as one HTML page')
    .option('--force', 'replace an existing page', false)
    .addOption(new Option('--format <format>', 'of the result on stdout').choices(['human', 'json']).default('human'))
    .addHelpText(
      'after',
      `
The result is exactly that of eval without --shard, but for times and memory: the speed is that of all shards
together, load time and memory are the largest of a shard. The exit code is that of eval.

Example:
  $ for i in 1 2 3; do wrn-onnx eval net.onnx --data cifar-10 --backend cpu,wasm --shard $i/3 --format json > part-$i.json; done
  $ wrn-onnx merge part-*.json`,
    )
    .action(run);
}

async function run(files: readonly string[], flags: Flags): Promise<void> {
  const rules = { force: flags.force, sources: files };
  if (flags.report !== undefined) requireWritable(flags.report, rules);
  const parts: Part[] = [];
  for (const file of files) parts.push(readPart(await readInput(file), file));
  const report = mergeParts(parts);
  printReport(report, flags.format);
  if (flags.report !== undefined) await writeReport(flags.report, report, rules);
  requireParity(report);
}
