// Kills commands at random moments and checks what they leave behind: npm run kill-test -- [--minutes 30] [--seed 1]
import { runTests } from './run-tests.mjs';

runTests('test/kill', 'WRN_KILL', { minutes: '30', seed: String(Date.now() % 2 ** 31) });
