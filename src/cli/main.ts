#!/usr/bin/env node
/** The command line: one file per command. Only this file turns errors into one line and an exit code. */
import { Command, CommanderError, Help, type Option } from 'commander';
import { whyNotWritten } from '../data/files/file-error.ts';
import { WrnError } from '../errors.ts';
import { version } from '../version.ts';
import { exitCodes } from './shared/exit-codes.ts';
import { addQuiet } from './shared/quiet.ts';
import { outliveStdout, say } from './shared/results.ts';

interface Row {
  readonly summary: string;
  /** Loads the command's file only when that command runs, so that help loads no runtime. */
  load(): Promise<{ command(): Command }>;
}

/** One row per command by area, in the order of a user's work. */
const areas: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  'Convert:': {
    export: {
      summary: 'convert a trained network to ONNX and verify it: every bit, then by running it',
      load: () => import('./export/export.ts'),
    },
    import: { summary: "convert a published network to the project's model file", load: () => import('./import.ts') },
    inspect: { summary: 'show layers, sizes, configuration and metadata of a network file', load: () => import('./inspect.ts') },
    pack: { summary: 'store the one-bit weights of any ONNX model as bits', load: () => import('./pack.ts') },
    unpack: { summary: 'turn packed weights back into float32', load: () => import('./unpack.ts') },
  },
  'Measure:': {
    eval: { summary: 'measure accuracy and parity of an ONNX file on real images, on every runtime', load: () => import('./eval/eval.ts') },
    merge: { summary: 'combine the results of all shards into one for the whole data set', load: () => import('./eval/merge.ts') },
    bench: { summary: 'compare speed, load time and memory of ONNX files', load: () => import('./bench/bench.ts') },
  },
  'Use:': {
    predict: { summary: 'print the most likely classes of image files', load: () => import('./predict.ts') },
    site: { summary: 'write a web page where anyone can try networks, ready to put online', load: () => import('./site/site.ts') },
    serve: { summary: 'show the page of site on this computer', load: () => import('./site/serve.ts') },
  },
  'Train:': {
    train: { summary: 'train a network with tfjs-node', load: () => import('./train/train.ts') },
    sweep: {
      summary: 'train many networks, here or on a cluster, and compare them with the paper',
      load: () => import('./sweep/sweep.ts'),
    },
    curve: { summary: 'plot the error of training runs per epoch', load: () => import('./train/curve.ts') },
  },
  'Set up:': {
    models: { summary: 'list networks by name, or get one as ONNX', load: () => import('./models.ts') },
    data: { summary: 'list, download and verify data sets', load: () => import('./data.ts') },
    doctor: { summary: 'show what works on this machine and how to add what is missing', load: () => import('./doctor.ts') },
  },
};

const ENVIRONMENT = `
Environment:
  WRN_ONNX_DATA         folder for data sets (default: the platform's cache folder)
  COLUMNS               width of tables when stdout is not a terminal (default: all columns)
  TF_ENABLE_ONEDNN_OPTS training: 0 turns oneDNN's kernels off (default: 1)
  TF_CPP_MIN_LOG_LEVEL  training: 0 shows TensorFlow's own log (default: 1)`;

/** Help without the defaults `false` and `[]`: options are off unless given. */
function withoutEmptyDefault(option: Option): string {
  return new Help().optionDescription(option).replace(/ \(default: (false|\[\])\)$/, '');
}

async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('wrn-onnx')
    .description('1-bit wide residual networks: convert them to ONNX at about one bit per weight, prove parity on every runtime')
    .version(version)
    .exitOverride()
    .configureHelp({ optionDescription: withoutEmptyDefault })
    .configureOutput({ outputError: (text) => say(text.trimEnd()) }) // the message quotes the user's text
    .addHelpText('after', ENVIRONMENT)
    .addHelpText('after', '\nExample:\n  $ wrn-onnx doctor')
    .showHelpAfterError('(run with --help for the options and an example)');
  const asked = argv[0] === 'help' ? argv[1] : argv[0];
  for (const [area, commands] of Object.entries(areas)) {
    program.commandsGroup(area);
    for (const [name, { summary, load }] of Object.entries(commands)) {
      const command = asked === name ? (await load()).command() : new Command(name);
      program.addCommand(addQuiet(command).description(summary).copyInheritedSettings(program));
    }
  }
  program.helpCommand('help [command]');
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.WRN_USAGE;
    const refused = whyNotWritten(error);
    if (refused !== undefined) {
      say(`wrn-onnx: ${(error as NodeJS.ErrnoException).path ?? 'a file'}: cannot be used, ${refused}`);
      return exitCodes.WRN_USAGE;
    }
    if (!(error instanceof WrnError)) throw error;
    say(`wrn-onnx: ${error.message}`);
    return exitCodes[error.code];
  }
}

outliveStdout();
process.exitCode = await main(process.argv.slice(2));
