/**
 * What an exported file says of itself, by key; onnxruntime does not hand it out in JavaScript.
 * An ONNX file is a protobuf message whose fields 14 are messages of a key and a value.
 * @param {Uint8Array} file
 * @returns {Record<string, string>}
 */
export function readMetadata(file) {
  const text = new TextDecoder();
  const pairs = [...fields(file)]
    .filter(([number]) => number === 14)
    .map(([, pair]) => [...fields(pair)].map(([, bytes]) => text.decode(bytes)));
  return Object.fromEntries(pairs);
}

/** Number and bytes of each field that has a length. */
function* fields(message) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = message[at++];
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const value = varint();
    if (tag % 8 !== 2) continue; // a plain number
    yield [Math.floor(tag / 8), message.subarray(at, at + value)];
    at += value;
  }
}
