/**
 * The two files that make a folder of ONNX files a model of the Hugging Face Hub: pipelines of transformers.js and optimum
 * read them. They know classifiers by `model_type`; with `resnet` they feed `pixel_values` and read `logits`, no more.
 */
import type { Model } from '../../src/network/model.ts';

/** Name of the image input that these pipelines feed. */
export const HUB_INPUT = 'pixel_values';

/** A file of the folder `onnx`, under the name by which transformers.js finds it. */
export interface HubFile {
  readonly path: string;
  /** Value of the option `dtype` in transformers.js. */
  readonly dtype: 'fp32' | 'q1' | 'q8' | 'fp16';
}

export const hubFiles = {
  dense: { path: 'onnx/model.onnx', dtype: 'fp32' },
  packed: { path: 'onnx/model_q1.onnx', dtype: 'q1' },
  int8: { path: 'onnx/model_quantized.onnx', dtype: 'q8' },
  fp16: { path: 'onnx/model_fp16.onnx', dtype: 'fp16' },
} as const satisfies Record<string, HubFile>;

export type HubForm = keyof typeof hubFiles;

/**
 * `config.json`.
 * @param forms the files of the folder. transformers.js asks for q8 in browsers by default; without that file another is named
 */
export function hubConfig({ config, about }: Model, forms: readonly HubForm[]): Record<string, unknown> {
  const labels = Array.from({ length: config.classes }, (_, i) => about.classLabels?.[i] ?? `class ${i}`);
  return {
    architectures: ['ResNetForImageClassification'],
    model_type: 'resnet',
    num_channels: config.input.channels,
    id2label: Object.fromEntries(labels.entries()),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    ...(forms.includes('int8')
      ? {}
      : { 'transformers.js_config': { dtype: hubFiles[forms.includes('packed') ? 'packed' : 'dense'].dtype } }),
  };
}

/** Lanczos with three lobes in PIL's numbering, by which `predict` scales, too. */
const LANCZOS = 1;

/** `preprocessor_config.json`: pixels 0..255 as they are, in the network's size. */
export function hubPreprocessor({ config: { input } }: Model): Record<string, unknown> {
  return {
    image_processor_type: 'ViTImageProcessor',
    do_resize: true,
    size: { height: input.height, width: input.width },
    resample: LANCZOS,
    do_convert_rgb: input.channels === 3,
    do_rescale: false,
    do_normalize: false,
  };
}
