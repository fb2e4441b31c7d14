/** Every engine, one row each. */
import type { Engine } from './engine.ts';
import { kubernetes } from './kubernetes.ts';
import { local } from './local.ts';
import { slurm } from './slurm.ts';

export const engines = { slurm, kubernetes, local } as const satisfies Record<string, Engine>;

export type EngineName = keyof typeof engines;

export const engineNames = Object.keys(engines) as EngineName[];
