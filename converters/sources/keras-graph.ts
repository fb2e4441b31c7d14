/**
 * The configuration of a whole Keras model: reads the image size, the batch norms and the logits, and checks that
 * its layers are those of the author's network, because another network may have kernels of the same shapes.
 */
import { InputError } from '../../src/errors.ts';
import { jsonReader } from '../../src/formats/json.ts';
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

type Json = Record<string, unknown>;
const { record, list, text, oneOf, number } = jsonReader(FORMAT, 'configuration');

/** Checks of the configuration of each layer class; other classes belong to another network. */
const checks: Readonly<Record<string, (config: Json, field: string) => void>> = {
  InputLayer() {},
  BatchNormalization() {},
  Activation: (config, field) => void oneOf(config['activation'], `${field}.activation`, ['relu', 'softmax', 'linear']),
  ReLU() {},
  Softmax() {},
  Conv2D: checkConv,
  AveragePooling2D(config, field) {
    oneOf(String(config['pool_size']), `${field}.pool_size`, ['3,3']);
    oneOf(String(config['strides']), `${field}.strides`, ['2,2']);
    oneOf(config['padding'], `${field}.padding`, ['same']);
  },
  Lambda() {},
  ZerosLike() {},
  Concatenate() {},
  Add() {},
  GlobalAveragePooling2D() {},
};

function checkConv(config: Json, field: string): void {
  oneOf(config['padding'], `${field}.padding`, ['same']);
  oneOf(config['use_bias'], `${field}.use_bias`, [false]);
  oneOf(config['activation'] ?? 'linear', `${field}.activation`, ['linear']);
  oneOf(String(config['strides']), `${field}.strides`, ['1,1', '2,2']);
  oneOf(String(config['dilation_rate'] ?? [1, 1]), `${field}.dilation_rate`, ['1,1']);
  oneOf(config['groups'] ?? 1, `${field}.groups`, [1]);
}

/**
 * Reads the configuration.
 * @throws InputError that names a layer that the author's network does not have
 */
export function readKerasGraph(json: unknown): KerasGraph {
  const layers = list(record(record(json, 'root')['config'], 'config')['layers'], 'config.layers', record);
  if (layers.length > MAX_LAYERS)
    throw new InputError(FORMAT, 'configuration', `expected at most ${MAX_LAYERS} layers, got ${layers.length}`);
  let imageSize: ImageSize | undefined;
  let logitsDivisor: number | undefined;
  const epsilons = new Set<number>();
  const classOf = new Map<string, string>();
  const storedNames: string[] = [];
  const counts = new Map<string, number>();
  for (const [i, layer] of layers.entries()) {
    const field = `config.layers[${i}]`;
    const className = text(layer['class_name'], `${field}.class_name`).replace(/^.*>/, ''); // without its package
    const config = record(layer['config'], `${field}.config`);
    const name = text(config['name'], `${field}.config.name`);
    const check = Object.hasOwn(checks, className) ? checks[className] : /Conv2D$/.test(className) ? checkConv : undefined;
    if (!check) throw new InputError(FORMAT, `layer ${name}`, `expected a layer of the author's network, got ${className}`);
    check(config, `${field}.config`);
    imageSize ??= className === 'InputLayer' ? sizeOf(config['batch_shape'] ?? config['batch_input_shape']) : undefined;
    if (className === 'BatchNormalization') epsilons.add(number(config['epsilon'], `${field}.config.epsilon`, 0, 1));
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
