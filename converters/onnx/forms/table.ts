/** The forms of an exported file: one row each, differing only in how the weights of a convolution are written. */

import { dense } from './dense.ts';
import type { Form } from './form.ts';
import { inline } from './inline.ts';
import { packed } from './packed.ts';
import { qonnx } from './qonnx.ts';

export const forms = { packed, inline, dense, qonnx } satisfies Record<string, Form>;

export type FormName = keyof typeof forms;
export const formNames = Object.keys(forms) as FormName[];
