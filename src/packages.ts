/**
 * Optional packages, which only some uses need. They are large or contain native code, so they are loaded where they are used.
 * Converting works without any of them.
 */
import { createRequire } from 'node:module';
import { setDefaults } from './environment.ts';
import { DeviceError } from './errors.ts';

/** What each package exports. Written out, because the inferred types would take 80 kB in the declarations. */
interface Exports {
  '@peculiar/x509': typeof import('@peculiar/x509');
  'onnxruntime-node': typeof import('onnxruntime-node');
  'onnxruntime-web': typeof import('onnxruntime-web');
  'playwright-core': typeof import('playwright-core');
  sharp: typeof import('sharp');
}

const packages: { readonly [Name in keyof Exports]: { readonly need: string; load(): Promise<Exports[Name]> } } = {
  '@peculiar/x509': { need: 'HTTPS for another device', load: loadX509 },
  'onnxruntime-node': { need: 'running a network in Node', load: loadOnnxRuntime },
  'onnxruntime-web': { need: 'running a network in WebAssembly or a browser', load: () => import('onnxruntime-web') },
  'playwright-core': { need: 'driving a browser', load: () => import('playwright-core') },
  sharp: { need: 'reading and writing image files', load: () => import('sharp') },
};

/** It needs a polyfill of decorators, and asks for it when it loads. */
async function loadX509() {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/**
 * onnxruntime-node reports to its vendor as soon as it is loaded: it looks up a host, and writes a device id, a database and
 * logs into the user's cache and temporary folders. This variable, set before, turns all of it off. In a worker thread it
 * does not reach native code: set it before the process starts.
 */
function loadOnnxRuntime() {
  setDefaults({ ORT_DISABLE_TELEMETRY: '1' });
  return import('onnxruntime-node');
}

export type PackageName = keyof Exports;
/** What a package exports. */
export type Loaded<Name extends PackageName> = Exports[Name];

/**
 * Loads an optional package.
 * @throws DeviceError when it is not installed or its native library does not load, saying what to do
 */
export async function loadPackage<Name extends PackageName>(name: Name): Promise<Loaded<Name>> {
  requirePackage(name);
  try {
    return await packages[name].load();
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split('\n');
    throw new DeviceError(`${packages[name].need} needs ${name}, which does not load: ${reason}. Install it again: npm install ${name}`, {
      cause: error,
    });
  }
}

/**
 * Checks that an optional package is installed, for a package that another process or a page loads.
 * @throws DeviceError when it is not installed
 */
export function requirePackage(name: PackageName): void {
  if (hasPackage(name)) return;
  throw new DeviceError(`${packages[name].need} needs ${name}, which is not installed. Install it: npm install ${name}`);
}

/** Whether an optional package is installed. */
export function hasPackage(name: PackageName): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}
