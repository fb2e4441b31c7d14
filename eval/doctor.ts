/** Finds out by trying what works on this machine, and says what each missing piece needs. */
import { totalmem } from 'node:os';
import { catalog } from '../src/data/catalog.ts';
import { dataSetPath, isPresent } from '../src/data/store/data-folder.ts';
import { DeviceError } from '../src/errors.ts';
import { bf16Instructions } from '../src/train/network/cpu-flags.ts';
import { hasAmx } from './advice.ts';
import type { BackendOptions } from './backends/backend.ts';
import { requireBrowser } from './backends/browser/find.ts';
import { probe } from './backends/probe.ts';
import { type BackendName, localBackendNames } from './backends/table.ts';
import { processor } from './record.ts';

export interface Finding {
  readonly area: 'machine' | 'backend' | 'training' | 'data';
  readonly name: string;
  readonly ok: boolean;
  /** What is there, or what is missing and what to do; one line. */
  readonly detail: string;
}

export interface DoctorOptions extends Pick<BackendOptions, 'browser' | 'softwareGpu'> {
  readonly dataFolder: string;
}

/** Examines the machine, one finding after the other. Every backend is run: one reported as working has worked. */
export async function* examine(options: DoctorOptions): AsyncGenerator<Finding, void, undefined> {
  yield node();
  yield { area: 'machine', name: 'cpu', ok: true, detail: [processor(), ...cpuAdvice()].join('; ') };
  yield { area: 'machine', name: 'memory', ok: true, detail: `${(totalmem() / 2 ** 30).toFixed(1)} GiB` };
  yield browser(options.browser);
  for (const name of localBackendNames.filter((name) => name !== 'tfjs')) yield await backend(name, options);
  yield { ...(await backend('tfjs', options)), area: 'training', name: 'tfjs-node' };
  for (const entry of catalog) {
    const ok = await isPresent(entry, options.dataFolder);
    yield {
      area: 'data',
      name: entry.name,
      ok,
      detail: ok ? dataSetPath(entry, options.dataFolder) : `not on this machine. Get it with: wrn-onnx data get ${entry.name}`,
    };
  }
}

/** Versions that the project is tested with. */
const NODE = { oldest: 20, newest: 24 };

function node(): Finding {
  const major = Number.parseInt(process.versions.node, 10);
  const ok = major >= NODE.oldest && major <= NODE.newest;
  const detail = ok ? process.version : `${process.version}: expected Node ${NODE.oldest} to ${NODE.newest}. Install one of these`;
  return { area: 'machine', name: 'node', ok, detail };
}

/** What to choose on this processor. */
function cpuAdvice(): string[] {
  const bf16 = bf16Instructions();
  return [
    ...(hasAmx() ? ['export 8-bit files --for cpu-amx (networks as wide as WRN-20-10)'] : []),
    ...(bf16 === undefined ? [] : [`train --math bf16 is faster (${bf16})`]),
  ];
}

function browser(chosen: string | undefined): Finding {
  const found = { area: 'machine', name: 'browser' } as const;
  try {
    return { ...found, ok: true, detail: requireBrowser(chosen) };
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return { ...found, ok: false, detail: error.message };
  }
}

async function backend(name: BackendName, options: DoctorOptions): Promise<Finding> {
  const tried = await probe(name, options);
  return { area: 'backend', name, ok: tried.ok, detail: tried.ok ? tried.detail : tried.reason };
}
