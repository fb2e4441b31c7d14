/** Training checkpoint to model: latent weights become bits, with the moments measured at the end of a cycle. */
import type { SafetensorsFile } from '../../src/formats/safetensors.ts';
import type { NetworkConfig } from '../../src/network/config.ts';
import type { Model } from '../../src/network/model.ts';
import type { Provenance } from '../../src/network/provenance.ts';
import { toModel } from '../../src/train/network/to-model.ts';
import { checkpointOf, measuredMoments } from '../../src/train/run/checkpoint.ts';

/**
 * The model of a checkpoint.
 * @throws InputError when it is damaged, or taken within a cycle, where the moments for inference are not measured
 */
export function fromCheckpoint(file: SafetensorsFile, origin: Pick<Provenance, 'sourceSha256'>): Model {
  const checkpoint = checkpointOf(file);
  const { config, weights, plan, about = { dialect: 'wrn-onnx', ...(plan && { dataset: plan.images.name }) } } = checkpoint;
  return toModel(config, weights, measuredMoments(checkpoint), { ...about, ...origin });
}

/** What a checkpoint says about its network, even within a cycle. */
export function describeCheckpoint(file: SafetensorsFile): { readonly config: NetworkConfig; readonly about: Provenance | null } {
  const { config, about = null } = checkpointOf(file);
  return { config, about };
}
