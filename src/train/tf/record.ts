/** Records the ops of a function of tensors, at the boundary between tfjs and TensorFlow. */
import { UsageError } from '../../errors.ts';
import { asBytes } from '../../formats/typed-array.ts';
import { type AttrField, type AttrValue, attr, type GraphNode, shapeAttr, tensorAttr } from './saved-model.ts';
import type { Attribute, Backend, DataType, Tensor, TensorFlow } from './tensorflow.ts';

export type TensorFunction = (...inputs: Tensor[]) => readonly Tensor[];

export interface Recording {
  readonly nodes: readonly GraphNode[];
  /** Placeholders, one per input. */
  readonly inputs: readonly string[];
  /** `node` or `node:output`, one per result. */
  readonly outputs: readonly string[];
}

/**
 * Runs `body` once, eagerly, and returns the graph of its ops. Every op of tfjs-node goes through one of two backend
 * functions, which are replaced during the call. A tensor that is neither an input nor the result of a recorded op becomes a
 * constant of the graph with its current value.
 * @throws UsageError when `body` reads values that depend on its inputs: a graph cannot follow decisions made in JavaScript
 */
export function record(tf: TensorFlow, body: TensorFunction, examples: readonly Tensor[]): Recording {
  const backend = tf.backend();
  const nodes: GraphNode[] = [];
  const names = new Map<object, string>();
  const inputs = examples.map(({ dataId, dtype, shape }, i) => {
    const name = `input${i}`;
    nodes.push({ name, op: 'Placeholder', attr: { dtype: { type: typeCode(backend, dtype) }, shape: shapeAttr(shape) } });
    names.set(dataId, name);
    return name;
  });
  if (names.size < examples.length) throw new UsageError('record: expected each example tensor once, got one twice');

  const { executeSingleOutput, executeMultipleOutputs, readSync } = backend;
  const nameOf = (tensor: Tensor): string => {
    const known = names.get(tensor.dataId);
    if (known !== undefined) return known;
    const name = `const${nodes.length}`;
    nodes.push(constant(backend, name, tensor, readSync.call(backend, tensor.dataId)));
    names.set(tensor.dataId, name);
    return name;
  };
  /** TensorFlow rejects a result that is also an input. */
  const notAnInput = (name: string, { dtype }: Tensor): string => {
    if (!inputs.includes(name)) return name;
    const copy = `Identity${nodes.length}`;
    nodes.push({ name: copy, op: 'Identity', input: [name], attr: { T: { type: typeCode(backend, dtype) } } });
    return copy;
  };
  const note = (op: string, attributes: readonly Attribute[], opInputs: readonly Tensor[], results: readonly Tensor[]) => {
    const input = opInputs.map(nameOf);
    const name = `${op}${nodes.length}`;
    nodes.push({ name, op, input, attr: Object.fromEntries(attributes.map((a) => [a.name, attributeValue(backend, a)])) });
    for (const [i, { dataId }] of results.entries()) names.set(dataId, i === 0 ? name : `${name}:${i}`);
  };
  const recorder: Pick<Backend, 'executeSingleOutput' | 'executeMultipleOutputs' | 'readSync'> = {
    executeSingleOutput(op, attributes, opInputs) {
      const result = executeSingleOutput.call(backend, op, attributes, opInputs);
      note(op, attributes, opInputs, [result]);
      return result;
    },
    executeMultipleOutputs(op, attributes, opInputs, count) {
      const results = executeMultipleOutputs.call(backend, op, attributes, opInputs, count);
      note(op, attributes, opInputs, results);
      return results;
    },
    readSync(dataId) {
      const name = names.get(dataId);
      if (name !== undefined && !name.startsWith('const'))
        throw new UsageError(`record: expected a function that does not read values of its tensors, got a read of ${name}`);
      return readSync.call(backend, dataId);
    },
  };
  Object.assign(backend, recorder);
  try {
    let outputs: string[] = [];
    tf.tidy(() => {
      outputs = body(...examples).map((result) => notAnInput(nameOf(result), result));
    });
    return { nodes, inputs, outputs };
  } finally {
    Object.assign(backend, { executeSingleOutput, executeMultipleOutputs, readSync });
  }
}

function typeCode({ binding }: Backend, dtype: DataType): number {
  return { float32: binding.TF_FLOAT, int32: binding.TF_INT32, bool: binding.TF_BOOL }[dtype];
}

function attributeValue({ binding }: Backend, { name, type, value }: Attribute): AttrValue {
  if (type === binding.TF_ATTR_SHAPE) return shapeAttr(value as number[]);
  const fields = new Map<number, AttrField>([
    [binding.TF_ATTR_STRING, 's'],
    [binding.TF_ATTR_INT, 'i'],
    [binding.TF_ATTR_FLOAT, 'f'],
    [binding.TF_ATTR_BOOL, 'b'],
    [binding.TF_ATTR_TYPE, 'type'],
  ]);
  const field = fields.get(type);
  if (!field) throw new UsageError(`record attribute ${name}: expected a type that a graph supports, got another`);
  return attr(field, value);
}

function constant(backend: Backend, name: string, { dtype, shape }: Tensor, values: ArrayBufferView): GraphNode {
  const type = typeCode(backend, dtype);
  return { name, op: 'Const', attr: { dtype: { type }, value: tensorAttr(type, shape, asBytes(values)) } };
}
