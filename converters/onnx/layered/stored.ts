/** The stored numbers of a file of this project under the names of its layers, whichever version of the format it has. */

import { sha256 } from '#builtin';
import { type AttributeProto, AttributeType, DataType, type ModelProto, type NodeProto, type TensorProto } from '../../../proto/onnx.ts';
import { InputError } from '../../../src/errors.ts';
import { LAYERED_DOMAIN, partsOf } from '../../../src/network/layered.ts';
import { tensorsDigest } from '../../../src/network/weights-digest.ts';
import { floats } from '../graph.ts';
import { bytesOf, dimsOf } from '../initializer.ts';

/**
 * Initializers, and what the attributes of calls hold.
 * @throws InputError when a name stands twice, or an attribute does not hold what its name says
 */
export function storedNumbers({ graph }: ModelProto): Map<string, TensorProto> {
  const stored = new Map((graph?.initializer ?? []).map((tensor) => [tensor.name ?? '', tensor]));
  for (const tensor of (graph?.node ?? []).flatMap(numbersOf)) {
    const name = tensor.name ?? '';
    if (stored.has(name)) throw new InputError('onnx', `tensor ${name}`, 'expected one tensor of this name, got two');
    stored.set(name, tensor);
  }
  return stored;
}

function numbersOf({ domain, op_type, output, attribute }: NodeProto): TensorProto[] {
  if (domain !== LAYERED_DOMAIN) return [];
  return (attribute ?? []).flatMap((one) => {
    const parts = partsOf(op_type ?? '', output?.[0] ?? '', one.name ?? '');
    return parts.map(({ name, half }) => ({ ...(half === undefined ? wholeOf(one, name) : halfOf(one, name, half)), name }));
  });
}

function wholeOf({ t, f, type }: AttributeProto, name: string): TensorProto {
  if (t) return { ...t, dims: [bytesOf({ ...t, name }).length] };
  if (type === AttributeType.FLOAT) return floats([], Float32Array.of(f ?? 0));
  throw new InputError('onnx', `tensor ${name}`, 'expected a tensor or a number, got another attribute');
}

function halfOf({ floats: values }: AttributeProto, name: string, half: 0 | 1): TensorProto {
  const count = values?.length ?? 0;
  if (count === 0 || count % 2 !== 0)
    throw new InputError('onnx', `tensor ${name}`, `expected means and as many variances, got ${count} values`);
  const part = Float32Array.from((values ?? []).slice((half * count) / 2, ((half + 1) * count) / 2));
  return { dims: [part.length], data_type: DataType.FLOAT, raw_data: new Uint8Array(part.buffer) };
}

/** Metadata key of the digest of every stored number in a file of version 2. */
export const NUMBERS_SHA256 = 'wrn.sha256';

/** Digits of the digest: it finds damage, and a network of 34 kB has no room for more. */
const DIGITS = 16;

/** The first digits of a SHA-256 over names, types, sizes and values of all stored numbers. */
export function numbersDigest(model: ModelProto): string {
  const tensors = [...storedNumbers(model)].map(
    ([name, tensor]) => [`${name} ${tensor.data_type} ${dimsOf(tensor).join('x')}`, [tensor.raw_data ?? '']] as const,
  );
  const [lines, values] = tensorsDigest(tensors).split(':') as [string, string];
  return sha256(lines, values).slice(0, DIGITS);
}
