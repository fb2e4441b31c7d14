/**
 * The independent judges of exported files: a Python virtual environment that the interop tests make themselves,
 * once for each list of packages. The product needs no Python.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pythonWith } from '../python.ts';

/** A list of packages, and the folder that holds them. */
export interface Environment {
  readonly name: string;
  readonly packages: readonly string[];
  /** Modules that are too large to fetch: those of an interpreter of this machine. */
  readonly system?: readonly string[];
}

const PACKAGES = [
  'numpy==2.4.6',
  'onnx==1.23.2',
  'onnxruntime==1.32.0',
  'openvino==2026.4.1',
  'opencv-python-headless==5.0.0.93',
  'tract==0.23.9',
  'qonnx==1.0.0',
  'netron==9.3.3',
  'pillow==13.0.0',
  'safetensors==0.8.0',
];

const root = fileURLToPath(new URL('../../', import.meta.url));
const cache = join(root, 'node_modules/.cache/wrn-onnx');
/** The judges of exported files. */
const judges: Environment = { name: 'python', packages: PACKAGES };

const systemPython = process.platform === 'win32' ? 'python' : 'python3';
const PROBE = 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))';

/** Whether this machine can make the environment; without Python the interop tests are skipped, and their names say why. */
export const hasPython = spawnSync(systemPython, ['-c', PROBE]).status === 0;

/** Whether this machine's Python is not newer than 3.`minor`, up to which some packages come. */
export function hasPythonOf(minor: number): boolean {
  return spawnSync(systemPython, ['-c', `import sys; sys.exit(sys.version_info >= (3, ${minor + 1}))`]).status === 0;
}

/** Time to allow for the first run, which fetches about 400 MB. */
export const SET_UP_TIMEOUT = 600_000;

const exec = promisify(execFile);

/** Path of the environment's interpreter; makes the environment when it is not there. Safe in several processes at once. */
export async function python({ name, packages, system }: Environment = judges): Promise<string> {
  const folder = join(cache, name);
  const interpreter = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const stamp = join(folder, 'packages.txt');
  const isComplete = async () => existsSync(stamp) && (await readFile(stamp, 'utf8')) === packages.join('\n');
  if (await isComplete()) return interpreter;
  const lock = `${folder}.lock`;
  await takeLock(lock);
  try {
    if (await isComplete()) return interpreter;
    await rm(folder, { recursive: true, force: true });
    if (system) await exec(pythonWith(...system) ?? systemPython, ['-m', 'venv', '--system-site-packages', folder]);
    else await exec(systemPython, ['-m', 'venv', folder]);
    await exec(interpreter, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]);
    await writeFile(stamp, packages.join('\n'));
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
  return interpreter;
}

/** Folder of one package of PyPI without what it depends on, for an interpreter that has that already. */
export async function packageFolder(requirement: string): Promise<string> {
  const target = join(cache, requirement);
  if (existsSync(join(target, 'complete'))) return target;
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, 'package-'));
  await exec(systemPython, [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--no-deps',
    '--target',
    scratch,
    requirement,
  ]);
  await writeFile(join(scratch, 'complete'), '');
  await rename(scratch, target).catch(() => rm(scratch, { recursive: true })); // another process was quicker
  return target;
}

/** Folder in which packages of npm are installed for a test, without the scripts that they run. Needs the registry the first time. */
export async function npmFolder({ name, packages }: Environment): Promise<string> {
  const target = join(cache, name);
  const stamp = join(target, 'packages.txt');
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === packages.join('\n')) return target;
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, 'npm-'));
  await writeFile(join(scratch, 'package.json'), '{"private": true}');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  await exec(npm, ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', ...packages], { cwd: scratch });
  await writeFile(join(scratch, 'packages.txt'), packages.join('\n'));
  await rm(target, { recursive: true, force: true });
  await rename(scratch, target).catch(() => rm(scratch, { recursive: true })); // another process was quicker
  return target;
}

/**
 * Runs a script of this folder on JSON, and returns the JSON that it writes.
 * Scripts write their answer to the file named last: libraries print what they like to stdout.
 */
export async function runPython<Answer>(script: string, question: unknown, environment = judges): Promise<Answer> {
  const interpreter = await python(environment);
  const scratch = await mkdtemp(join(tmpdir(), 'wrn-onnx-interop-'));
  const [asked, answered] = [join(scratch, 'question.json'), join(scratch, 'answer.json')];
  try {
    await writeFile(asked, JSON.stringify(question));
    await exec(interpreter, [fileURLToPath(new URL(script, import.meta.url)), asked, answered], { maxBuffer: 2 ** 28 });
    return JSON.parse(await readFile(answered, 'utf8')) as Answer;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** `mkdir` is atomic: who makes the folder holds the lock. A lock whose process is gone is taken over. */
async function takeLock(lock: string): Promise<void> {
  await mkdir(dirname(lock), { recursive: true });
  const owner = join(lock, 'pid');
  for (;;) {
    try {
      await mkdir(lock);
      return await writeFile(owner, String(process.pid));
    } catch {
      const pid = existsSync(owner) ? Number(await readFile(owner, 'utf8').catch(() => '0')) : 0;
      if (pid > 0 && !isRunning(pid)) await rm(lock, { recursive: true, force: true });
      await sleep(500);
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
