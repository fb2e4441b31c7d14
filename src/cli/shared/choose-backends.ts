/** `--backend` and `--reference`: names to backends that work here. */
import type { BackendOptions } from '../../../eval/backends/backend.ts';
import { probe } from '../../../eval/backends/probe.ts';
import { type BackendName, backendNames, backendOf, backends, isRemote, localBackendNames } from '../../../eval/backends/table.ts';
import { nearest } from '../../data/nearest-name.ts';
import { DeviceError, InputError, UsageError } from '../../errors.ts';
import { readOneBitFile } from '../../onebit/file.ts';
import { say } from './results.ts';

/** What `--backend` and `--reference` ask for. */
export interface BackendFlags {
  /** Names separated by commas, or `all`. */
  readonly backend: string;
  readonly reference?: BackendName;
}

/**
 * The backends that the user named; with `all` every one that runs this kind of file.
 * @param source the checkpoint or model file behind the ONNX file, if any
 * @param models the files that will run
 * @throws UsageError for an unknown backend, or one that runs another kind of file
 */
export function backendsNamed(
  { backend, reference }: BackendFlags,
  source: Uint8Array | undefined,
  models: readonly Uint8Array[],
): BackendName[] {
  const names =
    backend === 'all'
      ? localBackendNames.filter((name) => (source || !runsSource(name)) && (!oneBitOnly(name) || models.every(hasOneBitKernels)))
      : [...new Set(backend.split(',').map((name) => name.trim() as BackendName))];
  for (const name of names)
    if (!Object.hasOwn(backends, name))
      throw new UsageError(`unknown backend ${name}${nearest(name, backendNames) || '.'} Known: ${backendNames.join(', ')}, or all`);
  const unfit = names.find((name) => !source && runsSource(name));
  if (unfit) throw new UsageError(`${unfit} runs a checkpoint or a model file, not an ONNX file`);
  return reference && !names.includes(reference) ? [reference, ...names] : names;
}

/**
 * The same, each tried first when there are several; `all` leaves out those that do not work on this machine.
 * @throws DeviceError when a backend that was named is not available
 */
export async function workingBackends(flags: BackendFlags, options: BackendOptions, models: readonly Uint8Array[]): Promise<BackendName[]> {
  const names = backendsNamed(flags, options.source, models);
  const remote = names.find(isRemote);
  if (remote) throw new UsageError(`${remote} waits for a device: use it with wrn-onnx eval`);
  if (names.length === 1) return names; // it is opened at once
  const working: BackendName[] = [];
  for (const name of names) {
    const availability = await probe(name, options);
    if (availability.ok) working.push(name);
    else if (flags.backend !== 'all' || name === flags.reference) throw new DeviceError(availability.reason);
    else sayMissing(name, availability.reason);
  }
  return working;
}

export function sayMissing(name: BackendName, reason: string): void {
  say(`skipped ${name}: ${reason}`);
}

function oneBitOnly(name: BackendName): boolean {
  return backendOf(name).oneBitOnly ?? false;
}

function hasOneBitKernels(model: Uint8Array): boolean {
  try {
    readOneBitFile(model);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

function runsSource(name: BackendName): boolean {
  return backendOf(name).runsSource ?? false;
}
