/** The backends that run in a child process: onnxruntime-node's providers and onnxruntime-web's wasm. */
import type { InferenceSession } from 'onnxruntime-web';
import { DeviceError } from '../../src/errors.ts';
import { swiftShader } from '../browser/find.ts';
import type { Backend, BackendOptions } from './backend.ts';
import { Child } from './child.ts';
import type { OpenRequest } from './node-worker.ts';

/**
 * With this entry a session is refused when a node would run on the CPU instead of the chosen provider
 * (onnxruntime, onnxruntime_session_options_config_keys.h).
 */
const NO_FALLBACK = { session: { disable_cpu_ep_fallback: '1' } };

interface NodeRow {
  readonly title: string;
  readonly runtime: OpenRequest['runtime'];
  readonly provider: 'cpu' | 'cuda' | 'webgpu' | 'wasm';
  /** What to install when it cannot be opened. */
  readonly advice: string;
  env?(options: BackendOptions): Record<string, string>;
}

function nodeBackend({ title, runtime, provider, advice, env }: NodeRow): Backend {
  return {
    title,
    async open(model, input, options) {
      const device = provider === 'cuda' || provider === 'webgpu';
      const sessionOptions: InferenceSession.SessionOptions = {
        executionProviders: [provider],
        logSeverityLevel: 3,
        ...(device ? { extra: NO_FALLBACK } : {}),
        ...(options.threads ? { intraOpNumThreads: options.threads } : {}),
      };
      const child = new Child(env?.(options));
      try {
        const { seconds, version } = await child.ask<'open'>({
          kind: 'open',
          runtime,
          options: sessionOptions,
          model,
          input,
          threads: options.threads,
        });
        const software = provider === 'webgpu' && options.softwareGpu ? ', software rendering (SwiftShader)' : '';
        return {
          loadSeconds: seconds,
          detail: `${runtime} ${version}${software}`,
          run: (imagesNCHW, count) =>
            child.ask<'run'>({ kind: 'run', imagesNCHW, count }).catch((error: unknown) => {
              throw new DeviceError(`${provider} stopped while it ran this model: ${firstLine(error)}`);
            }),
          peakMemoryBytes: async () => (await child.ask<'memory'>({ kind: 'memory' })).peakBytes,
          close: () => child.close(),
        };
      } catch (error) {
        await child.close();
        throw new DeviceError(`${provider} cannot run this model: ${firstLine(error)}. ${advice}`);
      }
    },
  };
}

function firstLine(error: unknown): string {
  return (
    (error instanceof Error ? error.message : String(error))
      .trim()
      .split('\n')[0]
      ?.replace(/^.* was false\. /, '')
      .slice(0, 300) ?? ''
  );
}

export const cpu = nodeBackend({
  title: 'onnxruntime-node, CPU',
  runtime: 'onnxruntime-node',
  provider: 'cpu',
  advice: 'Reinstall onnxruntime-node for this platform',
});

export const cuda = nodeBackend({
  title: 'onnxruntime-node, CUDA',
  runtime: 'onnxruntime-node',
  provider: 'cuda',
  advice:
    'It needs an NVIDIA GPU with its driver, cuDNN, and the CUDA libraries: node node_modules/onnxruntime-node/script/install --onnxruntime-node-install',
  env: () => ({ NVIDIA_TF32_OVERRIDE: '0' }), // TF32 keeps 10 bits of mantissa: no parity
});

export const webgpu = nodeBackend({
  title: 'onnxruntime-node, WebGPU',
  runtime: 'onnxruntime-node',
  provider: 'webgpu',
  advice: 'It needs a GPU with a Vulkan, Metal or Direct3D 12 driver; or use --software-gpu with Chromium installed',
  env: ({ softwareGpu, browser }) => (softwareGpu ? swiftShader(browser) : {}),
});

export const wasm = nodeBackend({
  title: 'onnxruntime-web in Node, wasm',
  runtime: 'onnxruntime-web',
  provider: 'wasm',
  advice: 'Reinstall onnxruntime-web',
});
