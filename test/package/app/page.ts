/** The types as a page meets them: no types of Node. */
import { readModel, toOnnx } from 'wrn-onnx/convert';
import { type Classifier, loadClassifier, type Runtime } from 'wrn-onnx/web';

export async function load(runtime: Runtime, address: string): Promise<Classifier> {
  const file = toOnnx(readModel(new Uint8Array(await (await fetch(address)).arrayBuffer())));
  return loadClassifier(runtime, file);
}
