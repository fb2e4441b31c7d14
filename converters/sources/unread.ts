/** Formats that are recognised but not read, and the shortest way to one that is read. */
import { latin1 } from '../../src/formats/cursor.ts';

interface UnreadFormat {
  /** With its article: `a GGUF file`. */
  readonly title: string;
  recognises(bytes: Uint8Array): boolean;
  readonly advice: string;
}

const starts = (bytes: Uint8Array, text: string, at = 0) => latin1(bytes.subarray(at, at + text.length)) === text;
const unpack = 'Unpack it and give the file inside';
const fromPrefix = 'Load it into the model and save that: model.load_weights(prefix), then model.save_weights("model.weights.h5")';
const asArrays = 'Save the parameters as arrays under their PyTorch names: numpy.savez("weights.npz", **parameters)';

const formats: readonly UnreadFormat[] = [
  {
    title: 'a TensorFlow SavedModel',
    recognises: (bytes) => starts(bytes, '\x08\x01\x12'),
    advice: 'Load its folder in TensorFlow and save the weights: tf.keras.models.load_model(folder).save_weights("model.weights.h5")',
  },
  {
    title: 'an ONNX model',
    // its version, from 3 to 63, and then any of the fields that exporters write next
    recognises: ([tag, version = 0, next = 0]) =>
      tag === 0x08 && version > 2 && version < 64 && [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(next),
    advice: 'It is converted already: pack stores its one-bit weights as bits, inspect shows it, eval runs it',
  },
  {
    title: 'a TensorFlow Lite model',
    recognises: (bytes) => starts(bytes, 'TFL3', 4),
    advice: 'Save the original Keras model instead: model.save("model.keras")',
  },
  {
    title: 'the index of a TensorFlow checkpoint',
    recognises: (bytes) => bytes.length > 48 && starts(bytes, '\x57\xfb\x80\x8b\x24\x75\x47\xdb', bytes.length - 8),
    advice: fromPrefix,
  },
  {
    title: 'a GGUF file',
    recognises: (bytes) => starts(bytes, 'GGUF'),
    advice: 'It holds a language model; export takes wide residual networks',
  },
  { title: 'a single NumPy array', recognises: (bytes) => starts(bytes, '\x93NUMPY'), advice: asArrays },
  { title: 'a pickle', recognises: ([proto, version = 0]) => proto === 0x80 && version >= 2 && version <= 5, advice: asArrays },
  { title: 'a msgpack file, as Flax writes', recognises: isMsgpack, advice: asArrays },
  {
    title: "a file of Octave's text format",
    recognises: (bytes) => starts(bytes, '# Created by Octave'),
    advice: 'Save it again in Octave: save -v7 model.mat',
  },
  {
    title: 'a Git LFS pointer',
    recognises: (bytes) => starts(bytes, 'version https://git-lfs'),
    advice: 'Fetch the real file: git lfs pull',
  },
  {
    title: 'a web page',
    recognises: (bytes) => /^\s*<(!doctype html|html)/i.test(latin1(bytes.subarray(0, 64))),
    advice: 'Download the file itself, not its web page',
  },
  {
    title: 'a configuration without weights',
    recognises: (bytes) => /^\s*\{[\s\S]*"(class_name|model_type|architectures)"/.test(latin1(bytes.subarray(0, 4096))),
    advice: 'Give the file with the weights, or save both with Keras: model.save("model.keras")',
  },
  { title: 'a gzip archive', recognises: (bytes) => starts(bytes, '\x1f\x8b'), advice: unpack },
  { title: 'an xz archive', recognises: (bytes) => starts(bytes, '\xfd7zXZ\0'), advice: unpack },
  { title: 'a bzip2 archive', recognises: (bytes) => starts(bytes, 'BZh'), advice: unpack },
  { title: 'a tar archive', recognises: (bytes) => starts(bytes, 'ustar', 257), advice: unpack },
];

/** A map with a few entries whose first key is a word. */
function isMsgpack(bytes: Uint8Array): boolean {
  const [map = 0, key = 0] = bytes;
  const length = key - 0xa0;
  return map > 0x80 && map < 0x90 && length > 0 && length < 32 && /^[\w.]+$/.test(latin1(bytes.subarray(2, 2 + length)));
}

/** Describes bytes that no reader takes, and what to do: `an ONNX model. It is ...`; undefined when unknown. */
export function describeUnread(bytes: Uint8Array): string | undefined {
  const format = formats.find((row) => row.recognises(bytes));
  return format && `${format.title}. ${format.advice}`;
}

/** Folders in which frameworks save networks, recognised by the names in them, and what to give or save instead. */
const folders: readonly { readonly title: string; readonly holds: RegExp; readonly advice: string }[] = [
  {
    title: 'a TensorFlow SavedModel',
    holds: /^saved_model\.pb(txt)?$/,
    advice: 'Load it in TensorFlow and save the weights: tf.keras.models.load_model(folder).save_weights("model.weights.h5")',
  },
  {
    title: 'a TensorFlow checkpoint',
    holds: /\.index$/,
    advice: fromPrefix,
  },
  {
    title: 'a folder with a model in it',
    holds: /\.(safetensors|pth?|bin|npz|h5|keras|mat)$/,
    advice: 'Give the file itself',
  },
];

/** Describes a folder by the names in it. */
export function describeFolder(names: readonly string[]): string {
  for (const { title, holds, advice } of folders) {
    const name = names.find((candidate) => holds.test(candidate));
    if (name !== undefined) return `${title} (${name}). ${advice}`;
  }
  return 'a folder';
}
