// Brings a fresh clone to a state in which everything runs: packages, build. Idempotent; needs only Node and npm.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = `${root}node_modules/.cache-lock-hash`;
const lock = createHash('sha256')
  .update(readFileSync(`${root}package-lock.json`))
  .digest('hex');

function npm(...args) {
  const { status } = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], shell: process.platform === 'win32' });
  if (status === 0) return;
  console.error(`set-up: npm ${args[0]} failed, see above`);
  process.exit(1);
}

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.log('set-up: installing packages');
  npm('ci', '--ignore-scripts', '--loglevel=error'); // no package of ours needs its install script
  writeFileSync(stamp, lock);
}
console.log('set-up: building');
npm('run', '--silent', 'build');
