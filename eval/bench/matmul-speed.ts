/** How fast onnxruntime multiplies large matrices on this CPU, in float32 and in 8-bit integers: a convolution may be a little faster. */
import { Graph, valueInfo } from '../../converters/onnx/graph.ts';
import { DataType, encodeModel } from '../../proto/onnx.ts';
import { loadPackage } from '../../src/packages.ts';

/** Multiply-accumulates per second. */
export interface MatmulSpeed {
  readonly float32: number;
  readonly int8: number;
}

/** Rows, columns and depth of the product: large enough that copying costs little, small enough for the cache. */
const SIZE = 1024;
const RUNS = 8;

/** The best of several runs of a product of two 1024 x 1024 matrices. */
export async function matmulSpeed(threads: number | undefined): Promise<MatmulSpeed> {
  return { float32: await float32(threads), int8: await int8(threads) };
}

function float32(threads: number | undefined): Promise<number> {
  const graph = new Graph();
  graph.floats('w', [SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(0.5));
  graph.node('MatMul', ['x', 'w'], 'y');
  return best(graph, DataType.FLOAT, new Float32Array(SIZE * SIZE).fill(0.5), threads);
}

function int8(threads: number | undefined): Promise<number> {
  const graph = new Graph();
  const scalar = (name: string, type: number) => graph.constant(name, () => ({ dims: [], data_type: type, raw_data: new Uint8Array([0]) }));
  graph.constant('w', () => ({ dims: [SIZE, SIZE], data_type: DataType.INT8, raw_data: new Uint8Array(SIZE * SIZE).fill(1) }));
  const one = graph.floats('one', [], new Float32Array([1]));
  const [uint8Zero, int8Zero] = [scalar('uint8_zero', DataType.UINT8), scalar('int8_zero', DataType.INT8)];
  graph.node('QLinearMatMul', ['x', one, uint8Zero, 'w', one, int8Zero, one, uint8Zero], 'y');
  return best(graph, DataType.UINT8, new Uint8Array(SIZE * SIZE).fill(1), threads);
}

async function best(graph: Graph, type: number, values: Float32Array | Uint8Array, threads: number | undefined): Promise<number> {
  const value = (name: string) => valueInfo(name, type, [SIZE, SIZE]);
  const bytes = encodeModel(graph.toModel('matmul', [value('x')], [value('y')]));
  const { InferenceSession, Tensor } = await loadPackage('onnxruntime-node');
  const x = new Tensor(values, [SIZE, SIZE]);
  const session = await InferenceSession.create(bytes, threads ? { intraOpNumThreads: threads } : {});
  try {
    let seconds = Number.POSITIVE_INFINITY;
    for (let run = 0; run < RUNS; run++) {
      const start = performance.now();
      await session.run({ x });
      seconds = Math.min(seconds, (performance.now() - start) / 1000);
    }
    return SIZE ** 3 / seconds;
  } finally {
    await session.release();
  }
}
