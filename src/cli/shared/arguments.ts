/** Options that several commands have, and parsers of option values. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ImageSize } from '../../../converters/sources/asked.ts';

/** `--format`, for every command with a result. */
export function formatOption(): Option {
  return new Option('--format <format>', 'format of the result on stdout').choices(['human', 'json']).default('human');
}

/** `--threads`, for commands with one number of threads. */
export function threadsOption(): Option {
  return new Option('--threads <n>', 'number of threads for CPU and wasm kernels').argParser(naturalNumber);
}

/** `--browser`, for every command that runs backends. */
export function browserOption(): Option {
  return new Option('--browser <path>', 'Chrome, Chromium or Edge to use (default: the first one found)');
}

/** `--software-gpu`, for every command that runs backends. */
export function softwareGpuOption(): Option {
  return new Option('--software-gpu', 'render WebGPU and WebGL in software (SwiftShader)');
}

/** Parses an option that takes a whole number of at least 1. */
export function naturalNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}

/** Parses an option that takes a whole number of at least 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('expected a whole number of at least 0');
  return value;
}

/** Parses an option that takes a port: 0 for any. */
export function portNumber(text: string): number {
  const value = wholeNumber(text);
  if (value > 65535) throw new InvalidArgumentError('expected a port, 0 to 65535');
  return value;
}

/** Parses an option that takes two whole numbers of at least 1, low and high, such as `256-480`. */
export function naturalRange(text: string): [low: number, high: number] {
  const [low, high, ...more] = text.split('-').map(naturalNumber);
  if (low === undefined || high === undefined || more.length > 0 || low > high)
    throw new InvalidArgumentError('expected two whole numbers, low and high, such as 256-480');
  return [low, high];
}

/** Parses an option that takes a number of at least 0. */
export function nonNegativeNumber(text: string): number {
  const value = decimal(text);
  if (!(value >= 0)) throw new InvalidArgumentError('expected a number of at least 0');
  return value;
}

/** Parses an option that takes a number above 0. */
export function positiveNumber(text: string): number {
  const value = decimal(text);
  if (!(value > 0)) throw new InvalidArgumentError('expected a number above 0');
  return value;
}

/** Parses an option that takes a fraction, 0 to 1. */
export function fraction(text: string): number {
  const value = decimal(text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('expected a number from 0 to 1');
  return value;
}

/** Value of a decimal number such as `2.5` or `5e-4`; NaN for all else, even what Number() accepts: '', 0x10, Infinity. */
function decimal(text: string): number {
  const value = /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : Number.NaN;
}

/** Parses an option that takes the bits per weight. */
export function weightBits(text: string): 1 | 32 {
  if (text === '1') return 1;
  if (text === '32') return 32;
  throw new InvalidArgumentError('expected 1 or 32');
}

/** Parses an option that takes whole numbers of at least 1, separated by commas. */
export function naturalNumbers(text: string): number[] {
  return text.split(',').map((part) => naturalNumber(part.trim()));
}

/** Parses an option that takes the size of images, height and width in pixels, such as `64x64`. */
export function imageSize(text: string): ImageSize {
  const [height, width, ...more] = text.split('x').map(naturalNumber);
  if (height === undefined || width === undefined || more.length > 0)
    throw new InvalidArgumentError('expected HEIGHTxWIDTH, such as 64x64');
  return { height, width };
}

/** Adds one `NAME=SIZES` to the earlier values of a repeatable option: `x=1x3x224x224`, or `batch=4`. */
export function namedSizes(text: string, before: Readonly<Record<string, readonly number[]>> = {}): Record<string, readonly number[]> {
  const [, name, sizes] = /^(.+)=(\d+(?:[x,]\d+)*)$/.exec(text) ?? [];
  if (!name || !sizes) throw new InvalidArgumentError('expected NAME=SIZE for a dimension or NAME=SIZExSIZE... for an input');
  return { ...before, [name]: sizes.split(/[x,]/).map(naturalNumber) };
}

/** The options that the user gave to a command, as words that give them again. */
export function givenWords(command: Command, except: readonly string[]): string[] {
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    if (except.includes(name) || command.getOptionValueSource(name) !== 'cli') return [];
    const value: unknown = command.getOptionValue(name);
    const flag = option.long as string;
    return value === true ? [flag] : [flag, Array.isArray(value) ? value.join(',') : String(value)];
  });
}
