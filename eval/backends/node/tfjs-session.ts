/** The child's side of the backend `tfjs`: runs a trained network in the runtime that trained it. */
import { toNHWC } from '../../../src/train/network/inference.ts';
import { loadTensorFlow } from '../../../src/train/tf/tensorflow.ts';
import { openTrained } from '../../../src/train/trained.ts';
import type { Loaded } from '../backend.ts';

/** Loads the runtime, and returns a function that loads the network. */
export function loadTrained(source: Uint8Array): () => Promise<Loaded> {
  const tf = loadTensorFlow();
  const version = `${tf.version['tfjs-node']} with TensorFlow ${tf.backend().binding.TF_Version}`;
  return async () => {
    const network = openTrained(tf, source);
    const { channels } = network.config.input;
    return {
      version,
      async run(imagesNCHW, count) {
        const images = toNHWC(imagesNCHW, count, channels);
        const start = performance.now();
        const data = network.classifier.logits(images, count);
        return { outputs: { logits: { shape: [count, network.config.classes], data } }, seconds: (performance.now() - start) / 1000 };
      },
    };
  };
}
