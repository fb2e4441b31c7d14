/** Estimates and checks the memory and disk space of a training run before it starts. */
import { UsageError } from '../errors.ts';
import { elements } from '../formats/shape.ts';
import { type NetworkConfig, networkName } from '../network/config.ts';
import { layers } from '../network/topology.ts';
import { learned } from './network/variables.ts';

const FLOAT_BYTES = 4;
/** Live copies of all weights: latent weights and momenta before and after a step, gradients, and a copy in JavaScript. */
const WEIGHT_COPIES = 5;
/**
 * Live copies of all layer outputs. Measured: 2.0 for steps of WRN-20-1, 2.6 for WRN-20-4. The value here is lower, so that
 * no possible run is refused.
 */
const ACTIVATION_COPIES = 1.5;
/** Memory of Node with TensorFlow before the first step. */
const RUNTIME_BYTES = 350e6;
/** Upper bound for a checkpoint's header and moments. */
const CHECKPOINT_REST = 1.02;
const SMALL_FILES_BYTES = 2e6;

export interface Need {
  readonly config: NetworkConfig;
  /** Batch size. */
  readonly batch: number;
  /** Memory of the training set in bytes. */
  readonly dataBytes: number;
}

/** Minimum memory for training, in bytes. */
export function memoryNeeded({ config, batch, dataBytes }: Need): number {
  const outputs = layers(config).reduce((sum, { shape }) => sum + elements(shape), 0);
  return RUNTIME_BYTES + FLOAT_BYTES * (ACTIVATION_COPIES * batch * outputs + WEIGHT_COPIES * weights(config)) + dataBytes;
}

/** Approximate size of a checkpoint in bytes. */
export function checkpointBytes(config: NetworkConfig): number {
  return CHECKPOINT_REST * 2 * FLOAT_BYTES * weights(config);
}

function weights(config: NetworkConfig): number {
  return learned(config).reduce((sum, { shape }) => sum + elements(shape), 0);
}

/** Resources of this machine, in bytes. */
export interface Machine {
  readonly memory: number;
  /** Unused memory. In a container the file cache counts as used, although the system can reclaim it. */
  readonly freeMemory: number;
  /** Free space on the disk of the output folder. */
  readonly freeDisk: number;
  readonly folder: string;
  /** Whether that disk already holds an earlier checkpoint. */
  readonly hasCheckpoint: boolean;
}

/**
 * Checks that this machine has the resources for a training run.
 * @returns a warning if memory suffices only after other programs release some
 * @throws UsageError that states what is needed, what is available and what to change
 */
export function checkResources(need: Need, machine: Machine): string | undefined {
  const memory = memoryNeeded(need);
  const what = `memory: expected at least ${size(memory)} for ${networkName(need.config)} at batch size ${need.batch}`;
  if (machine.memory < memory) throw new UsageError(`${what}, got ${size(machine.memory)}. Choose a smaller --batch or --width`);
  // the old checkpoint stays until the new one is written
  const disk = checkpointBytes(need.config) * (machine.hasCheckpoint ? 1 : 2) + SMALL_FILES_BYTES;
  if (machine.freeDisk < disk)
    throw new UsageError(
      `disk of ${machine.folder}: expected at least ${size(disk)} free for the checkpoints, got ${size(machine.freeDisk)}`,
    );
  return machine.freeMemory < memory ? `${what}, got ${size(machine.freeMemory)} free` : undefined;
}

function size(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
