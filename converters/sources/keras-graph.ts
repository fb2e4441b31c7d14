/**
 * The configuration of a whole Keras model: reads the image size, the batch norms and the logits, and checks that
 * its layers are those of the author's network, because another network may have kernels of the same shapes.
 */
import { literal, nullish, type ObjectEntries, pipe, transform, unknown } from 'valibot';
import { InputError } from '../../src/errors.ts';
import { list, number, object, oneOf, readJson, record, text } from '../../src/formats/schema.ts';
import type { ImageSize } from './asked.ts';

const FORMAT = 'keras';

export interface KerasGraph {
  readonly imageSize: ImageSize | undefined;
  /** Shared by all batch norms. */
  readonly epsilon: number | undefined;
  /** The constant that divides the logits, in networks with shifted ReLU. */
  readonly logitsDivisor: number | undefined;
  /** Class of each layer, by its name and by the name that Keras 3's weights store it under. */
  readonly classOf: ReadonlyMap<string, string>;
  /** Names that Keras 3's weights store the layers under, in order of execution. */
  readonly storedNames: readonly string[];
}

/** A network of 1200 layers has 5000 with all its activations. */
const MAX_LAYERS = 20_000;

const schema = object({ config: object({ layers: list(object({ class_name: text, config: record })) }) });

/** A list by its items: `3,3`. */
const items = (...choices: readonly string[]) => pipe(unknown(), transform(String), oneOf(...choices));
const same = oneOf('same');
const conv = {
  padding: same,
  use_bias: literal(false, 'false'),
  activation: nullish(oneOf('linear'), 'linear'),
  strides: items('1,1', '2,2'),
  dilation_rate: nullish(items('1,1'), '1,1'),
  groups: nullish(oneOf(1), 1),
};
const batchNorm = { epsilon: number(0, 1) };

/** What the configuration of each layer class has to be; other classes belong to another network. */
const classes: Readonly<Record<string, ObjectEntries>> = {
  InputLayer: {},
  BatchNormalization: batchNorm,
  Activation: { activation: oneOf('relu', 'softmax', 'linear') },
  ReLU: {},
  Softmax: {},
  Conv2D: conv,
  AveragePooling2D: { pool_size: items('3,3'), strides: items('2,2'), padding: same },
  Lambda: {},
  ZerosLike: {},
  Concatenate: {},
  Add: {},
  GlobalAveragePooling2D: {},
};

/**
 * Reads the configuration.
 * @throws InputError that names a layer that the author's network does not have
 */
export function readKerasGraph(json: unknown): KerasGraph {
  const { layers } = readJson(schema, json, FORMAT, (field) => `configuration ${field}`).config;
  if (layers.length > MAX_LAYERS)
    throw new InputError(FORMAT, 'configuration', `expected at most ${MAX_LAYERS} layers, got ${layers.length}`);
  let imageSize: ImageSize | undefined;
  let logitsDivisor: number | undefined;
  const epsilons = new Set<number>();
  const classOf = new Map<string, string>();
  const storedNames: string[] = [];
  const counts = new Map<string, number>();
  for (const [i, { class_name, config }] of layers.entries()) {
    const read = <T extends ObjectEntries>(fields: T) =>
      readJson(object(fields), config, FORMAT, (field) => `configuration config.layers[${i}].config.${field}`);
    const className = class_name.replace(/^.*>/, ''); // without its package
    const { name } = read({ name: text });
    const fields = Object.hasOwn(classes, className) ? classes[className] : /Conv2D$/.test(className) ? conv : undefined;
    if (!fields) throw new InputError(FORMAT, `layer ${name}`, `expected a layer of the author's network, got ${className}`);
    read(fields);
    imageSize ??= className === 'InputLayer' ? sizeOf(config['batch_shape'] ?? config['batch_input_shape']) : undefined;
    if (className === 'BatchNormalization') epsilons.add(read(batchNorm).epsilon);
    if (className === 'Lambda') logitsDivisor ??= closureOf(config['function']);
    const base = snakeCase(className);
    const count = counts.get(base) ?? 0;
    counts.set(base, count + 1);
    const stored = count === 0 ? base : `${base}_${count}`;
    storedNames.push(stored);
    classOf.set(name, className);
    if (!classOf.has(stored)) classOf.set(stored, className);
  }
  if (epsilons.size > 1)
    throw new InputError(FORMAT, 'configuration', `expected one epsilon for all batch norms, got ${[...epsilons].slice(0, 8).join(', ')}`);
  return { imageSize, epsilon: [...epsilons][0], logitsDivisor, classOf, storedNames };
}

/** Height and width of [null, height, width, channels]; both may also be null. */
function sizeOf(shape: unknown): ImageSize | undefined {
  if (!Array.isArray(shape) || shape.length !== 4) return undefined;
  const [, height, width] = shape as unknown[];
  return typeof height === 'number' && typeof width === 'number' ? { height, width } : undefined;
}

/**
 * The constant that a function was made with, `lambda x: x * (1.0/Temperature)`: Keras stores it beside the code, which is
 * never run. TensorFlow 2 writes [code, defaults, closure], Keras 3 an object of these.
 */
function closureOf(code: unknown): number | undefined {
  const closure = Array.isArray(code) ? code[2] : (code as { config?: { closure?: unknown } } | null | undefined)?.config?.closure;
  const [value] = Array.isArray(closure) ? (closure as unknown[]) : [];
  return typeof value === 'number' && value > 0 ? value : undefined;
}

/** Keras's name of a class: `BinaryConv2D` is binary_conv2d. */
function snakeCase(className: string): string {
  return className
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}
