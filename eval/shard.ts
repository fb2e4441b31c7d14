/** Parts of an evaluation that run apart, on other machines for example. */

/** Part `index` of `count`, from 1 on. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** Images `from` up to, not including, `to`. */
export interface ImageRange {
  readonly from: number;
  readonly to: number;
}

/** All of it. */
export const whole: Shard = { index: 1, count: 1 };

/**
 * The images of a shard: whole batches, because a kernel may round otherwise in a batch of another size, and the shards
 * together must give what one run gives. Where there are fewer batches than shards some have no images.
 * @param total images of all shards
 * @param batch images a batch
 */
export function shardRange(total: number, batch: number, { index, count }: Shard = whole): ImageRange {
  const batches = Math.ceil(total / batch);
  const cut = (shards: number) => Math.min(total, Math.floor((batches * shards) / count) * batch);
  return { from: cut(index - 1), to: cut(index) };
}
