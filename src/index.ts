/**
 * The library: read a published network, convert it, evaluate it. Nothing heavy is loaded before it is used.
 * Its parts have entries of their own: `wrn-onnx/convert`, `wrn-onnx/eval`, `wrn-onnx/train`, `wrn-onnx/web`, `wrn-onnx/onebit`.
 *
 *     import { evaluate, openImageSet, readModel, toOnnx } from 'wrn-onnx';
 *     const model = readModel(await readFile('CIFAR10_allparams.mat'));
 *     const file = toOnnx(model, { form: 'packed' });
 */
export * from './convert.ts';
export * from './eval.ts';
export * from './web.ts';
