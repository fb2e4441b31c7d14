// Runs one folder of tests for longer than the suite does. Options reach the tests as environment variables PREFIX_OPTION.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export function runTests(folder, prefix, defaults) {
  const names = Object.keys(defaults);
  const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) });
  const chosen = names.flatMap((name) => {
    const value = values[name] ?? defaults[name];
    return value === undefined ? [] : [[`${prefix}_${name.toUpperCase()}`, value]];
  });
  console.log(chosen.map(([name, value]) => `${name}=${value}`).join(' '));
  const vitest = fileURLToPath(new URL('vitest.mjs', import.meta.resolve('vitest/package.json')));
  const { status } = spawnSync(process.execPath, [vitest, 'run', folder], {
    stdio: 'inherit',
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, ...Object.fromEntries(chosen) },
  });
  process.exitCode = status ?? 1;
}
