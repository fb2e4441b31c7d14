// Brings @tensorflow/tfjs-node with its native library, which training needs and nothing else does, into a clone or beside an
// installed wrn-onnx. Idempotent.
// The package's own download is tried first. Where that is not reachable, the library comes out of the TensorFlow
// wheel on PyPI and the binding is compiled here; that needs pip and a C++ compiler.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Where npm installs: the clone, or the project whose node_modules holds this package. */
const project = basename(dirname(root)) === 'node_modules' ? dirname(dirname(root)) : root;
let home = findPackage();
const VERSION = '4.22.0';
const STORAGE = 'https://storage.googleapis.com/tensorflow/libtensorflow/';
const PROBE_MS = 5_000;
const DOWNLOAD_MS = 300_000;

/** One wheel per platform. TensorFlow's C interface is stable: the binding of 2022 compiles against the headers of 2025. */
const wheels = {
  'linux-x64': {
    requirement: 'tensorflow-cpu==2.20.0',
    sha256: 'cf756bbe2d256e942ab5d0ad2c858fb40017581494febdb4387c149b1afde780',
    platform: 'manylinux_2_17_x86_64',
  },
};
/** The wheel's tag; the Python that runs pip may be another one. */
const PYTHON = ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311'];
/** Node-API headers for a Node that came without its own; any version has what the binding calls. */
const HEADERS = 'node-api-headers@1.9.0';

const TAKE_LIBRARY = `
import shutil, sys, zipfile
wheel, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.startswith('tensorflow/include/tensorflow/c/') or name.startswith('tensorflow/include/tensorflow/core/platform/') \\
           or name.startswith('tensorflow/include/xla/tsl/') or name.startswith('tensorflow/include/tsl/') \\
           or name.startswith('tensorflow/include/absl/') \\
           or name in ('tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'):
            archive.extract(name, target)
`;

const ONE_OP = `
const util = require('node:util');
util.isNullOrUndefined ??= (value) => value === null || value === undefined; // gone since Node 23
util.isArray ??= Array.isArray;
const tf = require(process.argv[1]);
if (tf.add(tf.scalar(1), 1).dataSync()[0] !== 2) throw new Error('1 + 1 is not 2');
process.stdout.write(tf.backend().binding.TF_Version);
`;

/** Folder of tfjs-node; undefined when it is not installed. */
function findPackage() {
  try {
    return dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node/package.json'));
  } catch {
    return undefined;
  }
}

/** Runs a command quietly. When it fails, its output becomes the error. */
function quietly(command, args, options = {}) {
  const shell = process.platform === 'win32' && command === 'npm';
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: project, shell, ...options });
  if (status === 0) return stdout;
  const said = `${stdout}\n${stderr}`.trim().split('\n');
  const line = said.findLast((text) => /error|not found|no matching/i.test(text)) ?? said.at(-1);
  throw new Error(`${command}: ${error?.message ?? (line || `exit code ${status}`)}`);
}

function tensorflowVersion() {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' };
  return quietly(process.execPath, ['-e', ONE_OP, home], { env });
}

async function ownDownload() {
  const [os, arch] = [process.platform === 'win32' ? 'windows' : process.platform, process.arch === 'x64' ? 'x86_64' : process.arch];
  const address = `${STORAGE}libtensorflow-cpu-${os}-${arch}-2.9.1.${os === 'windows' ? 'zip' : 'tar.gz'}`;
  const answer = await fetch(address, { method: 'HEAD', signal: AbortSignal.timeout(PROBE_MS) }).catch((error) => {
    throw new Error(`storage.googleapis.com not reachable (${error.cause?.code ?? error.name})`);
  });
  if (!answer.ok) throw new Error(`storage.googleapis.com answers ${answer.status} for ${process.platform} ${process.arch}`);
  const env = { ...process.env, PATH: [join(home, '..', '..', '.bin'), process.env.PATH].join(delimiter) };
  quietly(process.execPath, ['scripts/install.js'], { cwd: home, env, timeout: DOWNLOAD_MS });
}

function fromWheel() {
  const wheel = wheels[`${process.platform}-${process.arch}`];
  if (!wheel) throw new Error(`no TensorFlow wheel is pinned for ${process.platform} ${process.arch}`);
  const work = mkdtempSync(join(tmpdir(), 'wrn-onnx-tfjs-'));
  try {
    const python = process.platform === 'win32' ? 'python' : 'python3';
    const requirements = join(work, 'requirements.txt');
    writeFileSync(requirements, `${wheel.requirement} --hash=sha256:${wheel.sha256}\n`);
    const only = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--disable-pip-version-check', '--platform', wheel.platform];
    quietly(python, ['-m', 'pip', 'download', '--quiet', ...only, ...PYTHON, '-d', work, '-r', requirements]);
    const file = quietly(python, ['-c', `import glob, sys; print(glob.glob(sys.argv[1] + '/*.whl')[0])`, work]).trim();
    quietly(python, ['-c', TAKE_LIBRARY, file, work]);
    const library = join(home, 'deps', 'lib');
    rmSync(join(home, 'deps'), { recursive: true, force: true });
    mkdirSync(library, { recursive: true });
    for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'])
      copyFileSync(join(work, 'tensorflow', name), join(library, name)); // may be on another disk
    compile(join(work, 'tensorflow', 'include'), library, work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The binding, in one compiler call. */
function compile(tensorflowHeaders, library, work) {
  const binding = createRequire(join(home, 'package.json'))('@mapbox/node-pre-gyp').find(join(home, 'package.json'));
  mkdirSync(dirname(binding), { recursive: true });
  const headers = ['-I', nodeHeaders(work), '-I', tensorflowHeaders, '-I', home];
  const level = /napi-v(\d+)/.exec(binding)?.[1];
  const sources = ['binding/tfjs_backend.cc', 'binding/tfjs_binding.cc', join(root, 'scripts', 'tensorflow-log.cc')];
  const libraries = ['-L', library, '-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2', '-Wl,-rpath,$ORIGIN/../../deps/lib'];
  const flags = ['-std=c++17', '-O2', '-fPIC', '-shared', '-w', `-DNAPI_VERSION=${level}`];
  const partial = `${binding}.partial`;
  quietly('c++', [...flags, ...headers, ...sources, ...libraries, '-o', partial], { cwd: home });
  renameSync(partial, binding);
}

function nodeHeaders(work) {
  const beside = join(dirname(process.execPath), '..', 'include', 'node');
  if (existsSync(join(beside, 'node_api.h'))) return beside;
  const archive = quietly('npm', ['pack', '--silent', HEADERS, '--pack-destination', work]).trim();
  execFileSync('tar', ['-xzf', join(work, archive), '-C', work]);
  return join(work, 'package', 'include');
}

function attempt(action) {
  try {
    return { value: action() };
  } catch (error) {
    return { reason: error.message };
  }
}

if (home === undefined) {
  if (!existsSync(join(project, 'package.json'))) {
    // a global installation, or one of another package manager: npm would remove the other packages there
    console.error(`set-up: install @tensorflow/tfjs-node ${VERSION} where wrn-onnx is, without its scripts, then run this again`);
    process.exit(1);
  }
  console.log(`set-up: installing @tensorflow/tfjs-node ${VERSION}`);
  // The clone names it as an optional peer, which npm installs with --save-dev only; --no-save keeps package.json as it is.
  // A project must name it, or the next npm install takes it away.
  const save = project === root ? ['--no-save', '--save-dev'] : ['--save-exact'];
  const install = ['install', ...save, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { reason } = attempt(() => quietly('npm', [...install, `@tensorflow/tfjs-node@${VERSION}`]));
  home = findPackage();
  if (home === undefined) {
    console.error(`set-up: @tensorflow/tfjs-node could not be installed: ${reason ?? `expected it in ${project}`}`);
    process.exit(1);
  }
}

let found = attempt(tensorflowVersion);
if (found.reason) {
  console.log('set-up: fetching the native library of tfjs-node');
  const own = await ownDownload().then(
    () => attempt(tensorflowVersion),
    (error) => ({ reason: error.message }),
  );
  found = own;
  if (own.reason) {
    console.log(`set-up: its own download: ${own.reason}; taking the library from the TensorFlow wheel`);
    const wheel = attempt(fromWheel);
    found = wheel.reason ? wheel : attempt(tensorflowVersion);
    if (found.reason) found = { reason: `own download: ${own.reason}; wheel: ${found.reason}` };
  }
}
if (found.reason) {
  console.error(`set-up: tfjs-node is not usable, training is not available. ${found.reason}`);
  process.exitCode = 1;
} else console.log(`set-up: tfjs-node ${VERSION} runs on TensorFlow ${found.value}`);
