/** The model card, `README.md`: what the Hub shows of a network. */

import { networkName } from '../../src/network/config.ts';
import type { Model } from '../../src/network/model.ts';
import { layers, multiplyAccumulates, weightCount } from '../../src/network/topology.ts';
import { grouped, percent } from '../../src/numbers.ts';
import { printable } from '../../src/printable.ts';
import type { Recipe } from '../../src/train/recipe.ts';
import { type HubFile, hubFiles } from './config.ts';

export interface CardFile extends HubFile {
  readonly bytes: number;
  /** How it was compared with the source. */
  readonly parity: string;
}

export interface CardFacts {
  /** In the order of the table. */
  readonly files: readonly CardFile[];
  /** Name of the folder, which stands for the repository in the examples. */
  readonly folder: string;
  /** Identifier of a licence on the Hub, such as `mit`; undefined when nobody stated it. */
  readonly license: string | undefined;
  /** How the network was trained; undefined when there is no report of its training. */
  readonly training: Training | undefined;
  /** Of this package. */
  readonly version: string;
}

export interface Training {
  readonly recipe: Recipe;
  readonly epochs: number;
  readonly data: string;
}

export function modelCard(model: Model, facts: CardFacts): string {
  const { config, about } = model;
  const title = [networkName(config), `${config.bits} bit`, ...(about.dataset === undefined ? [] : [about.dataset])].join(', ');
  const sections = [
    frontMatter(model, facts),
    `# ${plain(title)}`,
    introduction(model),
    '## Figures',
    figures(model),
    fileTable(model, facts),
    '## Use',
    use(model, facts),
    '## Recipe',
    recipe(model, facts),
    '## Parity',
    'Every file was compared with its source before it was written: bits and floats for equality, logits with the layer-by-layer ' +
      'reference or with float32, as the table says. To repeat it on any data set and runtime:',
    fence(
      'sh',
      `wrn-onnx eval ${hubFiles.dense.path} --against ${facts.files.at(-1)?.path} --data ${NAME.test(about.dataset ?? '') ? about.dataset : 'DATA'} --backend cpu,wasm`,
    ),
    '## Licence',
    facts.license === undefined
      ? 'Not stated. The network belongs to whoever trained it: put its licence here and into the first lines of this file before you publish it.'
      : `${plain(facts.license)}, as stated by whoever exported the network.`,
    '## Citation',
    fence(
      'bibtex',
      `@inproceedings{mcdonnell2018training,
  title = {Training wide residual networks for deployment using a single bit for each weight},
  author = {Mark D. McDonnell},
  booktitle = {International Conference on Learning Representations},
  year = {2018},
  url = {https://arxiv.org/abs/1802.08530}
}`,
    ),
  ];
  return `${sections.join('\n\n')}\n`;
}

/** Names of data sets that need no quotes in a shell. */
const NAME = /^[\w.-]+$/;

/** YAML; a string of JSON is one of YAML. */
function frontMatter({ config, about }: Model, { license }: CardFacts): string {
  const { dataset, testAccuracy } = about;
  const result =
    dataset === undefined || testAccuracy === undefined
      ? []
      : [
          'model-index:',
          `- name: ${JSON.stringify(networkName(config))}`,
          '  results:',
          '  - task: { type: image-classification }',
          `    dataset: { name: ${JSON.stringify(dataset)}, type: ${JSON.stringify(dataset)}, split: test }`,
          `    metrics: [{ type: accuracy, value: ${testAccuracy} }]`,
        ];
  return [
    '---',
    'library_name: transformers.js',
    'pipeline_tag: image-classification',
    `tags: [onnx, wrn-onnx, image-classification${config.bits === 1 ? ', 1-bit' : ''}]`,
    `license: ${JSON.stringify(license ?? 'other')}`,
    ...result,
    '---',
  ].join('\n');
}

function introduction({ config }: Model): string {
  const { channels, height, width } = config.input;
  const weights = config.bits === 1 ? 'Each weight of its convolutions is one bit, a sign.' : 'Its weights are float32.';
  return (
    `A wide residual network ([arXiv 1802.08530](https://arxiv.org/abs/1802.08530)) that tells ${grouped(config.classes)} classes apart. ${weights} ` +
    `It takes ${channels === 1 ? 'grey' : 'colour'} images of ${height} x ${width} pixels, values 0 to 255, without further normalisation.`
  );
}

function figures({ config, about }: Model): string {
  const multiplyAdds = layers(config).reduce((sum, layer) => sum + multiplyAccumulates(layer), 0);
  const rows = [
    ...(about.testAccuracy === undefined ? [] : [`- test accuracy, as stated by the source: ${percent(about.testAccuracy)}`]),
    `- ${grouped(weightCount(config))} weights, ${grouped(multiplyAdds)} multiply-adds per image`,
  ];
  return rows.join('\n');
}

function fileTable({ config }: Model, { files }: CardFacts): string {
  const bits = (bytes: number) => ((bytes * 8) / weightCount(config)).toFixed(2);
  const rows = files.map(
    ({ path, dtype, bytes, parity }) => `| \`${path}\` | \`${dtype}\` | ${grouped(bytes)} | ${bits(bytes)} | ${parity} |`,
  );
  return ['| file | dtype | bytes | bits per weight | compared |', '|---|---|---|---|---|', ...rows].join('\n');
}

function use({ config }: Model, { files, folder }: CardFacts): string {
  const grey = config.input.channels === 1;
  const best = (files.find(({ dtype }) => dtype === 'q1') ?? files[0]) as CardFile;
  const name = `USER/${folder.replace(/[^\w.-]/g, '-')}`;
  return [
    'JavaScript, in Node or a page, with transformers.js:',
    fence(
      'js',
      `import { pipeline, RawImage } from '@huggingface/transformers';

const classify = await pipeline('image-classification', '${name}', { dtype: '${best.dtype}' });
const image = await RawImage.read('picture.png');
const [{ label, score }] = await classify(image${grey ? '.grayscale()' : ''});
console.log(label, score);`,
    ),
    'Python, with optimum-onnx:',
    fence('python', python(name, best.path.replace('onnx/', ''), grey)),
    'Images of another size are stretched: crop a photo to the shape of the input first.',
  ].join('\n\n');
}

/** The pipeline turns every picture into colour: networks for grey images do without it. */
function python(name: string, file: string, grey: boolean): string {
  const load = `model = ORTModelForImageClassification.from_pretrained("${name}", subfolder="onnx", file_name="${file}")
processor = AutoImageProcessor.from_pretrained("${name}")
`;
  return grey
    ? `import numpy as np
from optimum.onnxruntime import ORTModelForImageClassification
from PIL import Image
from transformers import AutoImageProcessor

${load}image = np.asarray(Image.open("picture.png").convert("L"))[..., None]
scores = model(**processor(image, input_data_format="channels_last", return_tensors="pt")).logits.softmax(-1)[0]
print(model.config.id2label[scores.argmax().item()], scores.max().item())`
    : `from optimum.onnxruntime import ORTModelForImageClassification
from transformers import AutoImageProcessor, pipeline

${load}print(pipeline("image-classification", model=model, image_processor=processor)("picture.png"))`;
}

function recipe({ about }: Model, { training, version }: CardFacts): string {
  const from = about.sourceSha256 === undefined ? '' : `, SHA-256 \`${plain(about.sourceSha256)}\``;
  const made = `Exported by [wrn-onnx](https://github.com/wrn-onnx/wrn-onnx) ${version} from a network in the dialect ${plain(about.dialect)}${from}.`;
  if (!training) return made;
  const { batch, momentum, weightDecay, schedule, augmentation, momentBatches, seed } = training.recipe;
  const rate =
    schedule.kind === 'steps'
      ? `${schedule.rates.join(', ')}, each for the same part of ${schedule.epochs} epochs`
      : `${schedule.high} to ${schedule.low} by cosine, restarted, the first cycle ${schedule.firstCycle} epochs and each twice as long as the one before`;
  const { flip, pad, cutout, shorterSide } = augmentation;
  const augmented = [
    ...(shorterSide ? [`shorter side scaled to ${shorterSide.join(' to ')} pixels`] : []),
    ...(flip ? ['flip with probability 0.5'] : []),
    ...(pad > 0 ? [`random crop after padding by ${pad} pixels`] : []),
    ...(cutout > 0 ? [`cutout of ${cutout} x ${cutout} pixels`] : []),
  ];
  return [
    made,
    [
      `- data: ${plain(training.data)}, ${training.epochs} epochs, seed ${seed}`,
      `- SGD with momentum ${momentum}, batch size ${batch}, weight decay ${weightDecay}`,
      `- learning rate: ${rate}`,
      `- augmentation: ${augmented.join(', ') || 'none'}`,
      `- the gradient goes straight through sign and scale to the latent weights; batch-norm moments from ${momentBatches} batches after training`,
    ].join('\n'),
  ].join('\n\n');
}

function fence(language: string, code: string): string {
  return `\`\`\`${language}\n${code}\n\`\`\``;
}

/** Escapes text from outside for Markdown. */
function plain(text: string): string {
  return printable(text).replace(/[\\`*_[\]<>|#]/g, '\\$&');
}
