/**
 * Where the numbers of a layer stand in a file of format version 2: as attributes of calls of functions, one call for each block of the
 * network, named like it. A block's attributes are named after its layers, so that the two names together are the layer's.
 */

/** Domain of the functions. */
export const LAYERED_DOMAIN = 'wrn';

/** A tensor under its full name; `half` says which half of the attribute's values it is. */
export interface Part {
  readonly name: string;
  readonly half?: 0 | 1;
}

/**
 * The tensors that an attribute of a call holds; none for attributes that are no numbers of a layer.
 * @param output of the call: the name of a layer, or of a block
 * @example
 * partsOf('SignConv', 'stem.conv', 'bits'); // [{ name: 'stem.conv.bits' }]
 * partsOf('Block', 'group0.block0', 'norm1'); // group0.block0.norm1.mean and group0.block0.norm1.variance
 */
export function partsOf(op: string, output: string, attribute: string): readonly Part[] {
  if (op === 'Norm') return attribute === 'moments' ? momentsOf(output) : [];
  if (op === 'SignConv') return attribute === 'bits' || attribute === 'scale' ? [{ name: `${output}.${attribute}` }] : [];
  if (attribute === 'scale') return [{ name: `${output}.conv0.scale` }, { name: `${output}.conv1.scale` }];
  const [, kind, i] = /^(norm|conv|scale)([01])$/.exec(attribute) ?? [];
  if (kind === 'norm') return momentsOf(`${output}.norm${i}`);
  if (kind === undefined) return [];
  return [{ name: `${output}.conv${i}.${kind === 'conv' ? 'bits' : 'scale'}` }];
}

function momentsOf(layer: string): readonly Part[] {
  return [
    { name: `${layer}.mean`, half: 0 },
    { name: `${layer}.variance`, half: 1 },
  ];
}
