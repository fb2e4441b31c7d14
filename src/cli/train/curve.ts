/** `curve`: plots the error of training runs. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { Command } from 'commander';
import { readModel } from '../../../converters/read.ts';
import { UsageError } from '../../errors.ts';
import { runName } from '../../network/config.ts';
import { printable } from '../../printable.ts';
import { readLog } from '../../train/run/log.ts';
import { readInput, readInputAs } from '../shared/input-file.ts';
import { requireWritable, writeOutput } from '../shared/output-file.ts';
import { printText } from '../shared/results.ts';

interface Flags {
  readonly output: string;
  readonly force: boolean;
}

export function command(): Command {
  return new Command('curve')
    .argument('<runs...>', 'folders of training runs or of sweeps, or their log.jsonl')
    .requiredOption('-o, --output <name>', 'write the plot as NAME.svg and NAME.png')
    .option('--force', 'replace existing plots', false)
    .addHelpText('after', '\nExample:\n  $ wrn-onnx curve runs/1-bit runs/full-precision -o gap')
    .action(run);
}

async function run(paths: readonly string[], flags: Flags): Promise<void> {
  const outputs = { svg: `${flags.output}.svg`, png: `${flags.output}.png` };
  const files = paths.flatMap(logsOf);
  const rules = { force: flags.force, sources: files };
  for (const path of Object.values(outputs)) requireWritable(path, rules);
  const names = await namesOf(files);
  const runs = await Promise.all(
    files.map(async (file, i) => ({ name: names[i] as string, log: readLog(Buffer.from(await readInput(file)).toString(), file) })),
  );
  const empty = runs.find(({ log }) => log.length === 0);
  if (empty) throw new UsageError(`${empty.name}: expected a log of at least one epoch, got none`);
  const [{ curveChart }, { toPng }] = await Promise.all([import('../../train/curve.ts'), import('../../chart/png.ts')]);
  const svg = curveChart(runs);
  await writeOutput(outputs.svg, Buffer.from(svg), rules);
  await writeOutput(outputs.png, await toPng(svg), rules);
  printText(`${printable(outputs.svg)}\n${printable(outputs.png)}\n`);
}

/** The log of a run, or those of the runs of a sweep that have one. */
function logsOf(path: string): string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const runs = join(path, 'runs');
  if (!existsSync(join(path, 'sweep.json'))) return [join(path, 'log.jsonl')];
  const logs = readdirSync(runs).map((name) => join(runs, name, 'log.jsonl'));
  const begun = logs.filter((log) => existsSync(log)).sort();
  if (begun.length === 0) throw new UsageError(`${path}: expected a sweep with a run that has trained for an epoch, got none`);
  return begun;
}

/** Network, bits and data of each run, from the model or checkpoint beside its log. Without either, and for equal names, the folder's name. */
async function namesOf(logs: readonly string[]): Promise<string[]> {
  const folders = runNames(logs);
  const found = await Promise.all(
    logs.map(async (log) => {
      const paths = ['model.safetensors', 'checkpoint.safetensors'].map((name) => join(dirname(log), name));
      const path = basename(log) === 'log.jsonl' ? paths.find((one) => existsSync(one)) : undefined;
      if (path === undefined) return undefined;
      const { config, about } = await readInputAs(path, readModel);
      return runName(config, about?.dataset);
    }),
  );
  return found.map((name, i) => {
    if (name === undefined) return folders[i] as string;
    return found.filter((other) => other === name).length > 1 ? `${name} (${folders[i]})` : name;
  });
}

/**
 * Names of training runs, from the paths of their logs: the folder's name, after as many parent folders as make it unique.
 * A path given twice has the same name twice.
 */
export function runNames(logs: readonly string[]): string[] {
  const paths = logs.map((log) => {
    const path = resolve(log);
    return (basename(path) === 'log.jsonl' ? dirname(path) : path).split(sep);
  });
  const end = (path: readonly string[], length: number) => path.slice(-length).join('/');
  return paths.map((path) => {
    const others = paths.filter((other) => other.join(sep) !== path.join(sep));
    let length = 1;
    while (length < path.length && others.some((other) => end(other, length) === end(path, length))) length++;
    return end(path, length);
  });
}
