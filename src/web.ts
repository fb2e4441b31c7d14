/**
 * What a web page needs to run an exported file; nothing here needs Node.
 *
 *     import * as ort from 'onnxruntime-web';
 *     import { loadClassifier } from 'wrn-onnx/web';
 *     const classifier = await loadClassifier(ort, new Uint8Array(await (await fetch('model.onnx')).arrayBuffer()));
 *     const [best] = await classifier.classify(input.files[0]); // or ImageData, or an ImageBitmap
 */
export { type Classifier, loadClassifier } from '../eval/runtime/classifier.ts';
export { type ModelInput, type Output, type Runtime, runBatch, toInput } from '../eval/runtime/runtime.ts';
export { type Prediction, softmax, topK } from './network/logits.ts';
export { type Bitmap, fromPicture, type Picture, type Pixels } from './onebit/picture.ts';
