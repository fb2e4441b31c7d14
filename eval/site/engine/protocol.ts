/** Messages between the page and its worker. Types only. */
import type { Picture } from '../../../src/onebit/picture.ts';
import type { CheckFacts, NetworkFacts } from '../facts.ts';

/** The calls that a worker answers, one after the other. The first is `open`. */
export interface Calls {
  readonly open: { readonly ask: NetworkFacts; readonly give: Opened };
  readonly classify: { readonly ask: Picture; readonly give: Answer };
  /** Milliseconds per image, the median of several runs. */
  readonly time: { readonly ask: null; readonly give: number };
  readonly check: { readonly ask: CheckFacts; readonly give: CheckResult };
}

export interface Opened {
  /** E.g. `onnxruntime-web 1.30.0`. */
  readonly runtime: string;
  readonly threads: number;
}

export interface Answer {
  readonly logits: Float32Array;
  /** The pixels that the network took, raw 0..255, shape [channels, height, width]. */
  readonly seen: Uint8Array;
  /** Of the network alone. */
  readonly milliseconds: number;
}

export interface CheckResult {
  readonly images: number;
  /** Images whose label is the most likely class. */
  readonly right: number;
  /** Images that are decided as recorded. */
  readonly alike: number;
  /** Norm of the difference of the logits over the norm of the recorded ones. */
  readonly relError: number;
  readonly pass: boolean;
  readonly milliseconds: number;
}

export interface Ask {
  readonly kind: keyof Calls;
  readonly value: Calls[keyof Calls]['ask'];
}

export type Reply =
  | { readonly value: Calls[keyof Calls]['give'] }
  | { readonly error: string }
  /** Before the answer: how far the work is, 0 to 1. */
  | { readonly progress: number };
