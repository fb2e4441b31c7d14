/** The canonical model: every reader returns one and every writer takes one. */
import { InputError } from '../errors.ts';
import { elements } from '../formats/shape.ts';
import type { NetworkConfig } from './config.ts';
import type { Provenance } from './provenance.ts';
import { packedLength } from './sign.ts';
import type { Tensor } from './tensor.ts';
import { parameters } from './topology.ts';

export interface Model {
  readonly config: NetworkConfig;
  /** Exactly the parameters of the topology, by name. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly about: Provenance;
  /** What the reader assumed or ignored, one line each, for the user. Not written to any file. */
  readonly notes?: readonly string[];
  /**
   * Indices of latent weights that were exactly zero, by kernel name. Their bits are +1 (sign.ts), while the source's
   * framework computes sign(0) = 0.
   */
  readonly zeros?: ReadonlyMap<string, readonly number[]>;
}

/**
 * Checks that a conversion is complete: every parameter of the topology is present once, with the right
 * shape and finite values, and no tensor is left over.
 * @throws InputError that names the parameter
 */
export function checkModel(model: Model, format: string): Model {
  const left = new Set(model.tensors.keys());
  for (const expected of parameters(model.config)) {
    const { name } = expected;
    const tensor = model.tensors.get(name);
    if (!tensor) throw new InputError(format, name, `expected ${expected.dtype} [${expected.shape.join(', ')}], got nothing`);
    left.delete(name);
    if (tensor.dtype !== expected.dtype || tensor.shape.join() !== expected.shape.join()) {
      const got = `${tensor.dtype} [${tensor.shape.join(', ')}]`;
      throw new InputError(format, name, `expected ${expected.dtype} [${expected.shape.join(', ')}], got ${got}`);
    }
    const count = elements(tensor.shape);
    const length = tensor.dtype === 'bits' ? packedLength(count) : count;
    if (tensor.data.length !== length) throw new InputError(format, name, `expected ${length} values, got ${tensor.data.length}`);
    if (tensor.dtype === 'bits' && count % 8 !== 0 && (tensor.data.at(-1) ?? 0) & (0xff >> (count % 8)))
      throw new InputError(format, name, `expected zero padding after ${count} bits, got ones`);
    if (tensor.dtype === 'float32') {
      const bad = tensor.data.findIndex((v) => !Number.isFinite(v));
      if (bad >= 0) throw new InputError(format, name, `expected finite values, got ${tensor.data[bad]} at index ${bad}`);
      if (name.endsWith('.variance')) {
        const negative = tensor.data.findIndex((v) => v < 0);
        if (negative >= 0)
          throw new InputError(format, name, `expected non-negative variances, got ${tensor.data[negative]} at index ${negative}`);
      }
    }
  }
  const [extra] = left;
  if (extra !== undefined) throw new InputError(format, extra, `expected only parameters of this network, got ${left.size} left over`);
  return model;
}
