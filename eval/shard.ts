/** Parts of an evaluation that run separately, for example on several machines. */

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

/** The whole evaluation as one shard. */
export const whole: Shard = { index: 1, count: 1 };

/**
 * The images of a shard: whole batches, because a kernel may round differently in a batch of another size, and the shards
 * together must give the result of one run. With fewer batches than shards, some shards have no images.
 * @param total images of all shards
 * @param batch batch size
 */
export function shardRange(total: number, batch: number, { index, count }: Shard = whole): ImageRange {
  const batches = Math.ceil(total / batch);
  const cut = (shards: number) => Math.min(total, Math.floor((batches * shards) / count) * batch);
  return { from: cut(index - 1), to: cut(index) };
}
