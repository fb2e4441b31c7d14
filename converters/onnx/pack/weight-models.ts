/** Models that compute only weights, so that a runtime can tell the weights of a layer. */
import { DataType, type GraphProto, type ModelProto, type NodeProto, type TensorProto, toNumber } from '../../../proto/onnx.ts';
import { localTensor, type ReadExternal } from '../external-data.ts';
import { node } from '../graph.ts';
import { readsOf } from '../nodes.ts';
import { type Constants, scopesOf } from './constants.ts';
import { expandFunctions } from './expand-functions.ts';

/** Name of the output of a weight model: float32, or float64 for float64 weights. */
export const WEIGHTS = 'wrn.weights';

export interface WeightModel {
  readonly tensor: string;
  /** ONNX data type of the weights. */
  readonly type: number;
  /** No inputs; its output is WEIGHTS. */
  readonly model: ModelProto;
}

/**
 * For each of these tensors, in each graph of the model that stores or computes it, a model that computes this tensor only: weights are
 * compared one at a time, whatever inputs the model has and however large it is.
 */
export function* weightModels(file: ModelProto, tensors: ReadonlySet<string>, read: ReadExternal | undefined): Generator<WeightModel> {
  const model = expandFunctions(file, 'weights');
  const scopes = scopesOf(model.graph as GraphProto, { irVersion: toNumber(model.ir_version, 'ir_version'), read });
  for (const scope of scopes)
    for (const tensor of tensors) {
      if (scope.ownerOf(tensor) !== scope) continue;
      const value = scope.value(tensor);
      if (value.kind === 'unknown') continue;
      yield {
        tensor,
        type: value.type,
        model: { ...model, ir_version: Math.max(4, Number(model.ir_version)), graph: makerOf(tensor, value.type, scope, read) },
      };
    }
}

function makerOf(tensor: string, type: number, scope: Constants, read: ReadExternal | undefined): GraphProto {
  const nodes: NodeProto[] = [];
  const stored = new Map<string, TensorProto>();
  const seen = new Set<string>();
  const follow = (name: string): void => {
    if (!name || seen.has(name)) return;
    seen.add(name);
    const maker = scope.producer(name);
    const value = maker ? undefined : scope.tensor(name);
    if (value) stored.set(name, localTensor({ ...value, name }, read));
    if (!maker) return;
    for (const input of readsOf(maker)) follow(input);
    if (!nodes.includes(maker)) nodes.push(maker);
  };
  follow(tensor);
  const to = type === DataType.DOUBLE ? DataType.DOUBLE : DataType.FLOAT;
  return {
    name: 'weights',
    node: [...nodes, node('Cast', [tensor], WEIGHTS, { to })],
    initializer: [...stored.values()],
    output: [{ name: WEIGHTS, type: { tensor_type: { elem_type: to } } }],
  };
}
