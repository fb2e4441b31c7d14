/**
 * A function of tensors, run as a TensorFlow graph. TensorFlow then sees the whole computation, so it removes unused
 * ops, fuses ops, and runs independent ops in parallel.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { temporaryFileError } from '../../data/files/temporary-file.ts';
import { UsageError } from '../../errors.ts';
import { record, type TensorFunction } from './record.ts';
import { TAG, writeSavedModel } from './saved-model.ts';
import type { Tensor, TensorFlow } from './tensorflow.ts';

export interface GraphFunction {
  /** Results in the order of the function's results. The caller disposes them. */
  (...inputs: Tensor[]): Tensor[];
  /** Frees the graphs. The function must not be called afterwards. */
  dispose(): void;
}

interface LoadedGraph {
  readonly id: number;
  readonly inputs: readonly { readonly name: string }[];
  readonly outputs: readonly string[];
}

/**
 * Records `body` at the first call with inputs of given types and shapes, and runs the graph from then on.
 * `body` must be pure: captured tensors keep the value that they have when it is recorded.
 * @throws UsageError as in `record`, when called after `dispose`, and when the temporary folder is not writable
 */
export function graphFunction(tf: TensorFlow, body: TensorFunction): GraphFunction {
  const graphs = new Map<string, LoadedGraph>();
  let disposed = false;
  const run = (...inputs: Tensor[]): Tensor[] => {
    if (disposed) throw new UsageError('graph function: expected no call after dispose, got one');
    const signature = inputs.map(({ dtype, shape }) => `${dtype}[${shape}]`).join();
    let graph = graphs.get(signature);
    if (!graph) {
      graph = load(tf, body, inputs);
      graphs.set(signature, graph);
    }
    return tf.backend().runSavedModel(graph.id, inputs, graph.inputs, graph.outputs);
  };
  const dispose = () => {
    disposed = true;
    for (const { id } of graphs.values()) tf.backend().deleteSavedModel(id);
    graphs.clear();
  };
  return Object.assign(run, { dispose });
}

/** Loads a graph through a temporary folder, because the native library reads graphs only from folders. */
function load(tf: TensorFlow, body: TensorFunction, examples: readonly Tensor[]): LoadedGraph {
  const { nodes, inputs, outputs } = record(tf, body, examples);
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(tmpdir(), 'wrn-onnx-graph-'));
    writeFileSync(join(folder, 'saved_model.pb'), writeSavedModel(nodes));
    const id = tf.backend().loadSavedModelMetaGraph(folder, TAG);
    return { id, inputs: inputs.map((name) => ({ name })), outputs };
  } catch (error) {
    throw temporaryFileError('graph: cannot be written', 'Make room there', error);
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}
