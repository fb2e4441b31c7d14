// Damages files for every reader, for as long as you like: npm run fuzz -- [--minutes 30 | --inputs 100000] [--seed 1] [--target NAME [--input N]]
import { runTests } from './run-tests.mjs';

runTests('test/fuzz', 'WRN_FUZZ', {
  minutes: process.argv.includes('--inputs') ? undefined : '30',
  inputs: undefined,
  seed: String(Date.now() % 2 ** 31),
  target: undefined,
  input: undefined,
});
