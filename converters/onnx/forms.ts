/** The forms of an exported file: one row each, differing only in how the weights of a convolution are written. */
import type { Form } from './form.ts';
import { dense } from './form-dense.ts';
import { inline } from './form-inline.ts';
import { packed } from './form-packed.ts';
import { qonnx } from './form-qonnx.ts';

export const forms = { packed, inline, dense, qonnx } satisfies Record<string, Form>;

export type FormName = keyof typeof forms;
