/** Raises old operator sets when nothing that a model uses has changed. */
import { type ModelProto, type NodeProto, toNumber } from '../../../proto/onnx.ts';
import { InputError } from '../../../src/errors.ts';
import { allGraphs, attribute } from '../nodes.ts';

/** Operator set 7 introduced today's broadcasting; later sets only extended most operators. */
const OLDEST = 7;

/**
 * Operators whose meaning changed from operator set 7 to 10 (onnx, docs/Changelog.md), and the check that a node has the same meaning in both.
 * All others only accept more types, or new attributes that default to the old behaviour.
 */
const changed = new Map<string, (node: NodeProto, opset: number) => boolean>([
  ['Slice', () => false],
  ['TopK', () => false],
  ['Upsample', () => false],
  ['Scan', (_, opset) => opset >= 9],
  ['BatchNormalization', (node) => Number(attribute(node, 'spatial')?.i ?? 1) === 1],
  ['Dropout', (node) => !node.output?.[1]],
]);

/** Version of the standard operators; undefined when a model uses none. */
function standardOpset({ opset_import }: ModelProto): number | undefined {
  const entry = opset_import?.find(({ domain }) => !domain || domain === 'ai.onnx');
  return entry && toNumber(entry.version, 'opset version');
}

/**
 * Raises the standard operators of a model to `opset` if they are older and mean the same there. Changes `model`.
 * @returns the resulting version
 * @throws InputError when it uses none, or one that has changed
 */
export function liftOpset(model: ModelProto, opset: number): number {
  const found = standardOpset(model);
  if (found === undefined) {
    const domains = (model.opset_import ?? []).map(({ domain }) => domain).join(', ');
    throw new InputError('onnx', 'opset_import', `expected layers of the standard operators, got a model of ${domains} only`);
  }
  if (found >= opset) return found;
  const nodes = (model.graph ? allGraphs(model.graph) : []).flatMap(({ node }) => node ?? []);
  const standard = nodes.filter(({ domain }) => !domain || domain === 'ai.onnx');
  const stranger = standard.find((node) => changed.get(node.op_type ?? '')?.(node, found) === false)?.op_type;
  const why = found < OLDEST ? `${found}` : stranger && `${found} with ${stranger}, which has changed since`;
  if (why)
    throw new InputError(
      'onnx',
      'opset_import',
      `expected operator set ${opset} or newer, got ${why}. Convert it with onnx.version_converter`,
    );
  for (const node of standard)
    if (node.op_type === 'BatchNormalization') node.attribute = (node.attribute ?? []).filter(({ name }) => name !== 'spatial');
  model.opset_import = (model.opset_import ?? []).map((entry) =>
    !entry.domain || entry.domain === 'ai.onnx' ? { ...entry, version: opset } : entry,
  );
  return opset;
}
