/** Latent float kernels to bits; counts weights that have no sign. */
import { InputError } from '../../src/errors.ts';
import { packSigns } from '../../src/network/sign.ts';
import { type BitTensor, bitTensor } from '../../src/network/tensor.ts';
import { grouped } from '../../src/numbers.ts';

/** Counts of the latent weights of a network while its kernels are read. */
export class LatentKernels {
  #weights = 0;
  /** Indices of the weights that are exactly zero, by name of the kernel. */
  readonly #zeros = new Map<string, readonly number[]>();

  /**
   * @param name of the kernel in the model
   * @param values OIHW
   * @throws InputError at a value that is not finite: NaN has no sign
   */
  pack(name: string, values: ArrayLike<number>, shape: readonly number[], format: string): BitTensor {
    const zeros: number[] = [];
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      if (value === 0) zeros.push(i);
      else if (!Number.isFinite(value)) throw new InputError(format, name, `expected finite weights, got ${value} at index ${i}`);
    }
    this.#weights += values.length;
    if (zeros.length > 0) this.#zeros.set(name, zeros);
    return bitTensor(shape, packSigns(values));
  }

  get zeros(): ReadonlyMap<string, readonly number[]> {
    return this.#zeros;
  }

  /** @param framework training framework with sign(0) = 0, whose network has a third value */
  notes(framework: string): string[] {
    if (this.#zeros.size === 0) return [];
    const count = [...this.#zeros.values()].reduce((sum, { length }) => sum + length, 0);
    const kernels = [...this.#zeros].map(([name, { length }]) => `${name} ${grouped(length)}`).join(', ');
    return [
      `${grouped(count)} of ${grouped(this.#weights)} latent weights are exactly 0 (${kernels}): the bits hold +1, where ${framework} computes sign(0) = 0`,
    ];
  }
}
