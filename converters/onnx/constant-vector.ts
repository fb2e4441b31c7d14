/** A vector of equal values: the scale 1 and the offset 0 of a batch norm that has learned neither. */
import { floats, type Graph, int64s } from './graph.ts';

/** Stored as it is: every reader finds the values, and tools that look for an initializer find one. */
export function storedVector(graph: Graph, name: string, value: number, size: number): string {
  return graph.constant(`${name}.${size}`, () => floats([size], new Float32Array(size).fill(value)));
}

/** Made by a node while the file loads: 9 kB less in WRN-20-10. */
export function generatedVector(graph: Graph, name: string, value: number, size: number): string {
  const output = `${name}.${size}`;
  if (graph.has(output)) return output;
  const shape = graph.constant(`size.${size}`, () => int64s([size]));
  return graph.node('ConstantOfShape', [shape], output, { value: floats([1], Float32Array.of(value)) });
}
