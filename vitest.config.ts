import { defineConfig } from 'vitest/config';

// Native addons (onnxruntime-node, tfjs-node) need a process of their own: the forks pool.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/set-up.ts',
    pool: 'forks',
    env: { ORT_DISABLE_TELEMETRY: '1' }, // tests that import onnxruntime-node themselves
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
