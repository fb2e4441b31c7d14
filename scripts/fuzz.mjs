// Damages files for every reader, for as long as you like: npm run fuzz -- [--minutes 30] [--seed 1] [--target NAME [--input N]]
import { runTests } from './run-tests.mjs';

runTests('test/fuzz', 'WRN_FUZZ', { minutes: '30', seed: String(Date.now() % 2 ** 31), target: undefined, input: undefined });
