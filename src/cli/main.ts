#!/usr/bin/env node
/** The command line: one thin file a command; errors become one line and an exit code here and nowhere else. */
import { Command, CommanderError } from 'commander';
import { WrnError } from '../errors.ts';
import { version } from './version.ts';

/** One row a command, loaded only when it is asked for: `--help` does not load a runtime. */
const commands: Record<string, () => Promise<{ command(): Command }>> = {};

const USAGE_EXIT_CODE = 2;

async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('wrn-onnx')
    .description('1-bit wide residual networks: train, convert to ONNX at about one bit per weight, prove parity on every runtime')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(run with --help for the options and an example)');
  for (const load of Object.values(commands)) program.addCommand((await load()).command().exitOverride());
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
    if (!(error instanceof WrnError)) throw error;
    process.stderr.write(`wrn-onnx: ${error.message}\n`);
    return error.exitCode;
  }
}

process.exitCode = await main(process.argv.slice(2));
