/** The backends that run in a child process: onnxruntime-node's providers, onnxruntime-web's wasm, tfjs-node, and our own runtime. */
import type { InferenceSession } from 'onnxruntime-web';
import { closable } from '../../../src/closable.ts';
import { UsageError } from '../../../src/errors.ts';
import { readOneBitFile } from '../../../src/onebit/file.ts';
import { requirePackage } from '../../../src/packages.ts';
import type { ModelInput } from '../../runtime/runtime.ts';
import type { Backend, BackendOptions, OpenSession, Session } from '../backend.ts';
import { swiftShader } from '../browser/find.ts';
import { openError, stopError } from '../runtime-error.ts';
import type { OpenRequest } from './worker.ts';

/**
 * With this entry, a session is refused if a node would fall back to the CPU from the chosen provider
 * (onnxruntime, onnxruntime_session_options_config_keys.h).
 */
const NO_FALLBACK = { session: { disable_cpu_ep_fallback: '1' } };

interface ChildRow {
  /** Its name in error messages. */
  readonly name: string;
  /** What to install when it does not open, if the error itself does not say so. */
  readonly advice?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Text after the runtime's name and version, if any. */
  readonly note?: string;
  readonly request: OpenRequest;
}

async function openChild({ name, advice, env, note = '', request }: ChildRow): Promise<Session> {
  const { Child } = await import('./child.ts'); // Node's child processes take a while to load
  const child = new Child(env);
  const stopped = (error: unknown): never => {
    throw stopError(name, error);
  };
  try {
    const { seconds, version, idleBytes } = await child.ask<'open'>(request);
    return closable<OpenSession>({
      loadSeconds: seconds,
      detail: `${request.runtime} ${version}${note}`,
      run: (imagesNCHW, count) => child.ask<'run'>({ kind: 'run', imagesNCHW, count }).catch(stopped),
      time: (batch, sizes) => child.ask<'time'>({ kind: 'time', batch, sizes }).catch(stopped),
      peakMemoryBytes: async () => (await child.ask<'memory'>({ kind: 'memory' }).catch(stopped)).peakBytes,
      idleMemoryBytes: idleBytes,
      close: () => child.close(),
    });
  } catch (error) {
    await child.close();
    throw openError(name, error, advice);
  }
}

interface OnnxRow {
  readonly title: string;
  readonly runtime: 'onnxruntime-node' | 'onnxruntime-web';
  readonly provider: 'cpu' | 'cuda' | 'webgpu' | 'wasm';
  readonly advice: string;
  env?(options: BackendOptions): Record<string, string>;
}

function onnxBackend({ title, runtime, provider, advice, env }: OnnxRow): Backend {
  const device = provider === 'cuda' || provider === 'webgpu';
  return {
    title,
    async open(model: Uint8Array, input: ModelInput | undefined, options: BackendOptions) {
      requirePackage(runtime);
      const { threads, softwareGpu } = options;
      const sessionOptions: InferenceSession.SessionOptions = {
        executionProviders: [provider],
        logSeverityLevel: 3,
        ...(device ? { extra: NO_FALLBACK } : {}),
        ...(threads ? { intraOpNumThreads: threads } : {}),
      };
      return openChild({
        name: provider,
        advice,
        ...(env ? { env: env(options) } : {}),
        ...(provider === 'webgpu' && softwareGpu ? { note: ', software rendering (SwiftShader)' } : {}),
        request: { kind: 'open', runtime, options: sessionOptions, model, input, threads },
      });
    },
  };
}

export const cpu = onnxBackend({
  title: 'onnxruntime-node, CPU',
  runtime: 'onnxruntime-node',
  provider: 'cpu',
  advice: 'Reinstall onnxruntime-node for this platform',
});

export const cuda = onnxBackend({
  title: 'onnxruntime-node, CUDA',
  runtime: 'onnxruntime-node',
  provider: 'cuda',
  advice:
    'It needs an NVIDIA GPU with its driver, cuDNN, and the CUDA libraries: node node_modules/onnxruntime-node/script/install --onnxruntime-node-install',
  env: () => ({ NVIDIA_TF32_OVERRIDE: '0' }), // TF32 keeps 10 bits of mantissa: no parity
});

export const webgpu = onnxBackend({
  title: 'onnxruntime-node, WebGPU',
  runtime: 'onnxruntime-node',
  provider: 'webgpu',
  advice: 'It needs a GPU with a Vulkan, Metal or Direct3D 12 driver; or use --software-gpu with Chromium installed',
  env: ({ softwareGpu, browser }) => (softwareGpu ? swiftShader(browser) : {}),
});

export const wasm = onnxBackend({
  title: 'onnxruntime-web in Node, wasm',
  runtime: 'onnxruntime-web',
  provider: 'wasm',
  advice: 'Reinstall onnxruntime-web',
});

export const onebit: Backend = {
  title: 'our own kernels for one-bit weights, wasm',
  oneBitOnly: true,
  async open(model, _input, { threads }) {
    readOneBitFile(model); // first, so that a wrong file is not reported as a fault of the machine
    return openChild({
      name: 'onebit',
      advice: 'It needs a Node version with WebAssembly SIMD',
      request: { kind: 'open', runtime: 'wrn-onnx/onebit', model, threads },
    });
  },
};

export const tfjs: Backend = {
  title: 'tfjs-node, the training runtime, from a checkpoint or model file',
  runsSource: true,
  async open(_model, _input, { source, threads }) {
    if (!source) throw new UsageError('tfjs runs a checkpoint or a model file, got an ONNX file');
    return openChild({
      name: 'tfjs',
      ...(threads ? { env: { TF_NUM_INTRAOP_THREADS: `${threads}` } } : {}),
      request: { kind: 'open', runtime: 'tfjs-node', source },
    });
  },
};
