/** What a runtime says when it does not take a model or stops, in one line, and whose fault it is. */
import { DeviceError, InputError, type WrnError } from '../../src/errors.ts';
import { firstLine } from '../runtime/first-line.ts';

/**
 * How onnxruntime says that no machine runs a model: an operator that nobody defines, a graph against the rules
 * (graph.cc), a version from the future (model.cc, model_load_utils.h).
 */
const MODEL_AT_FAULT =
  /\S+ is not a registered function\/op|No Op registered for|No opset import for domain|(This is an )?invalid model|Unrecognized attribute|Node\s*\(\S*\) with schema|\[(Shape|Type)InferenceError\]|Type Error:|Unsupported model IR version|Opset \d+ is under development/i;
const MAX_LENGTH = 300;

/** The error of a model that a backend does not open: the model's own fault, or what the machine lacks. */
export function openError(backend: string, error: unknown, advice: string | undefined): WrnError {
  const message = firstLine(error);
  const fault = message.search(MODEL_AT_FAULT);
  if (fault >= 0)
    return new InputError('onnx', 'graph', `expected a model that onnxruntime knows, got: ${message.slice(fault)}`, { cause: error });
  return new DeviceError([`${backend} cannot run this model: ${message.slice(0, MAX_LENGTH)}`, ...(advice ? [advice] : [])].join('. '), {
    cause: error,
  });
}

/** An InputError of ours, as it comes out of another process or a page: its message alone. */
const INPUT_ERROR = /^onnx (.*?): (expected .*)$/;

/** The error of a backend that opened a model, and then failed or went away; or what the model asks for is the fault. */
export function stopError(backend: string, error: unknown): WrnError {
  const [, where, reason] = INPUT_ERROR.exec(firstLine(error)) ?? [];
  if (where && reason) return new InputError('onnx', where, reason, { cause: error });
  return new DeviceError(`${backend} stopped while it ran this model: ${firstLine(error).slice(0, MAX_LENGTH)}`, { cause: error });
}
