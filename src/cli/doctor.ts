/** `doctor`: shows what works on this machine. */
import { Command } from 'commander';
import { examine, type Finding } from '../../eval/doctor.ts';
import { defaultDataFolder } from '../data/store/data-folder.ts';
import { printable } from '../printable.ts';
import { browserOption, formatOption, softwareGpuOption } from './shared/arguments.ts';
import { printJson, printText } from './shared/results.ts';

interface Options {
  readonly format: 'human' | 'json';
  readonly browser?: string;
  readonly softwareGpu?: boolean;
}

export function command(): Command {
  return new Command('doctor')
    .addOption(browserOption())
    .addOption(softwareGpuOption())
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx doctor')
    .action(doctor);
}

async function doctor({ format, ...options }: Options): Promise<void> {
  const findings: Finding[] = [];
  for await (const finding of examine({ ...options, dataFolder: defaultDataFolder() })) {
    if (format === 'human') printText(`${line(finding, findings.at(-1))}\n`);
    findings.push(finding);
  }
  if (format === 'json') printJson(findings, 2);
}

/** One line per finding, with a heading where a new area begins. */
function line({ area, name, ok, detail }: Finding, before: Finding | undefined): string {
  const heading = area === before?.area ? '' : `${before ? '\n' : ''}${area}\n`;
  return `${heading}  ${ok ? 'yes' : 'no '}  ${name.padEnd(15)} ${printable(detail)}`;
}
