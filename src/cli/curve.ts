import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { toPng, toSvg } from '../chart/chart.ts';
import { printable, UsageError } from '../errors.ts';
import { curveChart } from '../train/curve.ts';
import { readLog } from '../train/log.ts';
import { readInput } from './shared/input-file.ts';
import { requireWritable, writeOutput } from './shared/output-file.ts';
import { printText } from './shared/results.ts';
import { runNames } from './shared/run-names.ts';

interface Flags {
  readonly output: string;
  readonly force: boolean;
}

export function command(): Command {
  return new Command('curve')
    .argument('<runs...>', 'folders of training runs, or their log.jsonl')
    .requiredOption('-o, --output <name>', 'draw NAME.svg and NAME.png')
    .option('--force', 'replace existing pictures', false)
    .addHelpText('after', '\nExample:\n  $ wrn-onnx curve runs/1-bit runs/full-precision -o gap')
    .action(run);
}

async function run(paths: readonly string[], flags: Flags): Promise<void> {
  const outputs = { svg: `${flags.output}.svg`, png: `${flags.output}.png` };
  const files = paths.map((path) => (statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, 'log.jsonl') : path));
  const rules = { force: flags.force, sources: files };
  for (const path of Object.values(outputs)) requireWritable(path, rules);
  const names = runNames(files);
  const runs = await Promise.all(
    files.map(async (file, i) => ({ name: names[i] as string, log: readLog(Buffer.from(await readInput(file)).toString(), file) })),
  );
  const empty = runs.find(({ log }) => log.length === 0);
  if (empty) throw new UsageError(`${empty.name}: expected a log of at least one epoch, got none`);
  const { option, size } = curveChart(runs);
  const svg = toSvg(option, size);
  await writeOutput(outputs.svg, Buffer.from(svg), rules);
  await writeOutput(outputs.png, toPng(svg), rules);
  printText(`${printable(outputs.svg)}\n${printable(outputs.png)}\n`);
}
