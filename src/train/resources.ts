/** What a training needs of the machine, known before any time is spent. */
import { UsageError } from '../errors.ts';
import { elements } from '../formats/shape.ts';
import { type NetworkConfig, networkName } from '../network/config.ts';
import { layers } from '../network/topology.ts';
import { learned } from './variables.ts';

const FLOAT_BYTES = 4;
/** Tensors of the size of all weights at once: latent weights and momenta before and after a step, gradients, a copy in JavaScript. */
const WEIGHT_COPIES = 5;
/**
 * Tensors of the size of all layers' outputs at once. Steps of WRN-20-1 were measured at 2.0, of WRN-20-4 at 2.6;
 * a run is refused only when it falls short of less than that.
 */
const ACTIVATION_COPIES = 1.5;
/** Of Node with TensorFlow before the first step. */
const RUNTIME_BYTES = 350e6;
/** What the header of a checkpoint and its moments take at most, beside weights and momenta. */
const CHECKPOINT_REST = 1.02;
const SMALL_FILES_BYTES = 2e6;

export interface Need {
  readonly config: NetworkConfig;
  /** Images a batch. */
  readonly batch: number;
  /** Bytes of the training set in memory. */
  readonly dataBytes: number;
}

/** Memory in bytes that training takes at least. */
export function memoryNeeded({ config, batch, dataBytes }: Need): number {
  const outputs = layers(config).reduce((sum, { shape }) => sum + elements(shape), 0);
  return RUNTIME_BYTES + FLOAT_BYTES * (ACTIVATION_COPIES * batch * outputs + WEIGHT_COPIES * weights(config)) + dataBytes;
}

/** Bytes of one checkpoint, about. */
export function checkpointBytes(config: NetworkConfig): number {
  return CHECKPOINT_REST * 2 * FLOAT_BYTES * weights(config);
}

function weights(config: NetworkConfig): number {
  return learned(config).reduce((sum, { shape }) => sum + elements(shape), 0);
}

/** What this machine has, in bytes. */
export interface Machine {
  readonly memory: number;
  /** Of the memory, what nothing uses. In a container the cache of files that were read counts as used, though it gives way. */
  readonly freeMemory: number;
  /** Free on the disk of the output folder. */
  readonly freeDisk: number;
  readonly folder: string;
  /** Whether an earlier checkpoint is on that disk already. */
  readonly hasCheckpoint: boolean;
}

/**
 * Refuses a training that this machine cannot finish.
 * @returns a warning, when it can only if other memory is given up.
 * @throws UsageError saying what is needed, what is there, and what to change.
 */
export function checkResources(need: Need, machine: Machine): string | undefined {
  const memory = memoryNeeded(need);
  const what = `memory: expected at least ${size(memory)} for ${networkName(need.config)} in batches of ${need.batch}`;
  if (machine.memory < memory) throw new UsageError(`${what}, got ${size(machine.memory)}. Take a smaller --batch or --width`);
  // the new checkpoint is written beside the old one
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
