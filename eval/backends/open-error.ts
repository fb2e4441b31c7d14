import { DeviceError, InputError, type WrnError } from '../../src/errors.ts';

/** How onnxruntime says that no machine runs a model: an operator that nobody defines, or a graph against the rules (graph.cc). */
const MODEL_AT_FAULT = /is not a registered function\/op|No Op registered for|No opset import for domain|This is an invalid model/i;

/** The error of a model that a backend does not open: the model's own fault, or what the machine lacks. */
export function openError(backend: string, message: string, advice: string | undefined): WrnError {
  if (MODEL_AT_FAULT.test(message)) return new InputError('onnx', 'graph', `expected a model that onnxruntime knows, got: ${message}`);
  return new DeviceError([`${backend} cannot run this model: ${message}`, ...(advice ? [advice] : [])].join('. '));
}
