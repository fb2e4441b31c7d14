/** What a training needs of the machine, known before any time is spent. */
import { UsageError } from '../errors.ts';
import { type NetworkConfig, networkName } from '../network/config.ts';
import { elements } from '../network/tensor.ts';
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

/**
 * Refuses a training that this machine cannot finish.
 * @param free bytes of memory and of the output folder's disk; `hasCheckpoint`: an earlier checkpoint is on that disk already.
 * @throws UsageError saying what is needed, what is there, and what to change.
 */
export function checkResources(
  need: Need,
  free: { readonly memory: number; readonly disk: number; readonly folder: string; readonly hasCheckpoint: boolean },
): void {
  const memory = memoryNeeded(need);
  if (free.memory < memory) {
    const what = `memory: expected at least ${size(memory)} free for ${networkName(need.config)} in batches of ${need.batch}`;
    throw new UsageError(`${what}, got ${size(free.memory)}. Take a smaller --batch or --width`);
  }
  // the new checkpoint is written beside the old one
  const disk = checkpointBytes(need.config) * (free.hasCheckpoint ? 1 : 2) + SMALL_FILES_BYTES;
  if (free.disk < disk)
    throw new UsageError(`disk of ${free.folder}: expected at least ${size(disk)} free for the checkpoints, got ${size(free.disk)}`);
}

function size(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
