import type { Backend, BackendOptions } from '../../../eval/backends/backend.ts';
import { type Availability, probe } from '../../../eval/backends/probe.ts';
import { type BackendName, backendNames, backends } from '../../../eval/backends/table.ts';
import { DeviceError, InputError, UsageError } from '../../errors.ts';
import { readOneBitFile } from '../../onebit/file.ts';

/**
 * The backends named, all of which must be there; or with `all` those that this machine has and that run these files.
 * @param models the files that will run
 */
export async function chooseBackends(
  flags: { readonly backend: string; readonly reference?: BackendName },
  options: BackendOptions,
  models: readonly Uint8Array[],
): Promise<BackendName[]> {
  const all = flags.backend === 'all';
  const names = all
    ? backendNames.filter((name) => (options.source || !runsSource(name)) && (!oneBitOnly(name) || models.every(hasOneBitKernels)))
    : [...new Set(flags.backend.split(',').map((name) => name.trim() as BackendName))];
  for (const name of names)
    if (!Object.hasOwn(backends, name)) throw new UsageError(`unknown backend ${name}. Known: ${backendNames.join(', ')}, or all`);
  const unfit = names.find((name) => !options.source && runsSource(name));
  if (unfit) throw new UsageError(`${unfit} runs a checkpoint or a model file, not an ONNX file`);
  if (flags.reference && !names.includes(flags.reference)) names.unshift(flags.reference);
  const available: BackendName[] = [];
  for (const name of names) {
    const answer: Availability = names.length === 1 ? { ok: true, detail: '' } : await probe(name, options);
    if (answer.ok) available.push(name);
    else if (!all || name === flags.reference) throw new DeviceError(answer.reason);
    else process.stderr.write(`not on this machine: ${name}: ${answer.reason}\n`);
  }
  return available;
}

function oneBitOnly(name: BackendName): boolean {
  return (backends[name] as Backend).oneBitOnly ?? false;
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
  return (backends[name] as Backend).runsSource ?? false;
}
