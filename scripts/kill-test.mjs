// Kills commands at random moments and looks at what they leave: npm run kill-test -- [--minutes 30] [--seed 1]
import { runTests } from './run-tests.mjs';

runTests('test/kill', 'WRN_KILL', { minutes: '30', seed: String(Date.now() % 2 ** 31) });
