/** tfjs-node for tests, or why it is not there: tests that need it are then skipped and say so. */
import { test } from 'vitest';
import { DeviceError } from '../../src/errors.ts';
import { loadTensorFlow, type TensorFlow } from '../../src/train/tf/tensorflow.ts';

function find(): { tf: TensorFlow } | { missing: string } {
  try {
    return { tf: loadTensorFlow() };
  } catch (error) {
    if (error instanceof DeviceError) return { missing: 'needs tfjs-node: npm run setup:tfjs' };
    throw error;
  }
}

const found = find();

/** Whether tests that need tfjs-node run. */
export const hasTensorFlow = 'tf' in found;

/** Runs a test with tfjs-node. */
export function testWithTensorFlow(name: string, body: (tf: TensorFlow) => Promise<void> | void, timeout?: number): void {
  if ('tf' in found) test(name, () => body(found.tf), timeout);
  else test.skip(`${name} [${found.missing}]`, () => {});
}
