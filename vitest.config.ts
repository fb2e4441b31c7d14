import { defineConfig } from 'vitest/config';

// Native addons (onnxruntime-node, tfjs-node) need a process of their own: the forks pool.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/set-up.ts',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
