/** One-line errors for a runtime that refuses a model or stops, typed by whose fault it is. */
import { DeviceError, InputError, type WrnError } from '../../src/errors.ts';
import { firstLine } from '../runtime/first-line.ts';

/**
 * Messages of onnxruntime for models that run nowhere: an undefined operator or invalid graph (graph.cc), or a version
 * that is too new (model.cc, model_load_utils.h).
 */
const MODEL_AT_FAULT =
  /\S+ is not a registered function\/op|No Op registered for|No opset import for domain|(This is an )?invalid model|Unrecognized attribute|Node\s*\(\S*\) with schema|\[(Shape|Type)InferenceError\]|Type Error:|Unsupported model IR version|Opset \d+ is under development/i;
const MAX_LENGTH = 300;

/** The error for a model that a backend does not open: an invalid model, or something missing on the machine. */
export function openError(backend: string, error: unknown, advice: string | undefined): WrnError {
  const message = firstLine(error);
  const fault = message.search(MODEL_AT_FAULT);
  if (fault >= 0)
    return new InputError('onnx', 'graph', `expected a model that onnxruntime accepts, got: ${message.slice(fault)}`, { cause: error });
  return new DeviceError([`${backend} cannot run this model: ${message.slice(0, MAX_LENGTH)}`, ...(advice ? [advice] : [])].join('. '), {
    cause: error,
  });
}

/** Matches the message of an InputError that crossed from another process or a page. */
const INPUT_ERROR = /^onnx (.*?): (expected .*)$/;

/** The error for a backend that opened a model and then failed or exited; an InputError if the model is at fault. */
export function stopError(backend: string, error: unknown): WrnError {
  const [, where, reason] = INPUT_ERROR.exec(firstLine(error)) ?? [];
  if (where && reason) return new InputError('onnx', where, reason, { cause: error });
  return new DeviceError(`${backend} stopped while it ran this model: ${firstLine(error).slice(0, MAX_LENGTH)}`, { cause: error });
}
