/** The content of `site.json`: written by `buildSite`, read by the page and its engine. Types only. */
import type { ImageShape } from '../../src/data/dataset.ts';
import type { Thresholds } from '../tally/thresholds.ts';

export interface SiteFacts {
  readonly title: string;
  /** Of wrn-onnx. */
  readonly version: string;
  /** Whether a service worker keeps the page for use without a network. */
  readonly offline: boolean;
  readonly networks: readonly NetworkFacts[];
}

export interface NetworkFacts {
  /** Unique in the site. */
  readonly id: string;
  /** What it classifies, e.g. `CIFAR-10`. */
  readonly title: string;
  /** What it is, e.g. `WRN-20-1, packed`. */
  readonly about: string;
  /** Address of the ONNX file; all addresses are relative to the page. */
  readonly path: string;
  readonly bytes: number;
  readonly runtime: RuntimeName;
  /** Of everything that the runtime loads. */
  readonly runtimeBytes: number;
  readonly input: ImageShape;
  readonly classes: number;
  readonly labels: readonly string[] | null;
  /** Fraction of test images decided wrongly, as the file states it. */
  readonly testError: number | null;
  /** Whether a drawing is scaled and centred as the digits of MNIST are. */
  readonly centredDrawings: boolean;
  readonly pictures: readonly PictureFacts[];
  /** A test image per class, for a look; null where no data set is at hand. */
  readonly samples: string | null;
  readonly check: CheckFacts | null;
}

export type RuntimeName = 'onebit' | 'onnxruntime';

/** A picture to try. */
export interface PictureFacts {
  readonly label: string;
  readonly path: string;
}

/** Test images, and the answers recorded when the site was built. */
export interface CheckFacts {
  /** Name of the data set. */
  readonly data: string;
  readonly count: number;
  /** Images of the whole test set. */
  readonly total: number;
  /** Address of the images and labels: safetensors with `images` (U8 [count, channels, height, width]) and `labels` (I32). */
  readonly images: string;
  /** Address of the recorded answers: safetensors with `logits` (F32 [count, classes]). */
  readonly logits: string;
  /** Of both files. */
  readonly bytes: number;
  /** What recorded them, e.g. `onnxruntime-node 1.30.0`. */
  readonly recordedBy: string;
  readonly thresholds: Thresholds;
}
