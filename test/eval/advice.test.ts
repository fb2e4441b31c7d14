import { expect, test } from 'vitest';
import { forms } from '../../converters/onnx/forms/table.ts';
import { misfit, targets } from '../../eval/advice.ts';

test('no target gets a form that is a bad choice for its backends', () => {
  const backendsOf = {
    cpu: ['cpu'],
    wasm: ['wasm', 'browser-wasm'],
    webgpu: ['webgpu', 'browser-webgpu'],
    webgl: ['browser-webgl'],
    fpga: [],
  } as const;
  for (const [name, { form, int8 }] of Object.entries(targets)) {
    expect(forms).toHaveProperty(form);
    for (const backend of backendsOf[name as keyof typeof targets]) {
      expect(misfit(form, backend)).toBeUndefined();
      if (int8) expect(misfit('int8', backend)).toBeUndefined();
    }
  }
});

test('a bad choice is named with a better one', () => {
  expect(misfit('int8', 'browser-webgpu')).toBe(
    'int8 on browser-webgpu: onnxruntime has no 8-bit convolutions there, so that an app falls back to the CPU: export --for webgpu',
  );
});

test('float16 belongs on GPUs', () => {
  for (const backend of ['cuda', 'webgpu', 'browser-webgpu'] as const) expect(misfit('fp16', backend)).toBeUndefined();
  for (const backend of ['cpu', 'wasm', 'browser-wasm', 'browser-webgl'] as const) expect(misfit('fp16', backend)).toMatch(/export --for /);
});
