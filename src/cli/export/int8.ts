/** `export --form int8`: calibrates, exports, and measures what the 8-bit activations cost. */
import { planInt8 } from '../../../converters/onnx/forms/int8/plan.ts';
import { toInt8Onnx } from '../../../converters/onnx/forms/int8/to-int8.ts';
import { type Target, type TargetName, targets } from '../../../eval/advice.ts';
import { calibrate, type Method } from '../../../eval/verify/calibrate.ts';
import { type Int8Verification, verifyInt8 } from '../../../eval/verify/int8.ts';
import { worstLayer } from '../../../eval/verify/layer-errors.ts';
import { openSplits } from '../../data/open.ts';
import { ParityError, UsageError } from '../../errors.ts';
import type { InputLayout } from '../../network/file-metadata.ts';
import type { Model } from '../../network/model.ts';
import { grouped, percent, significant } from '../../numbers.ts';
import { withProgress } from '../shared/progress.ts';
import { describeAccuracy } from './describe.ts';

export interface Int8Flags {
  readonly input: InputLayout;
  readonly calibrate?: string;
  readonly calibrationImages: number;
  readonly method: Method;
  readonly minAgreement: number;
  readonly for?: TargetName;
  readonly batch?: number;
  readonly inputName?: string;
}

export interface Int8Export {
  readonly file: Uint8Array;
  readonly verification: Int8Verification;
}

/**
 * Calibrates on training images, exports, and compares the file with float32 on test images.
 * @throws UsageError without calibration data, or with data that has only one split; InputError without one-bit weights; ParityError
 *   when int8 and float32 decide too many images differently
 */
export async function exportInt8(model: Model, flags: Int8Flags): Promise<Int8Export> {
  const { calibrate: source, calibrationImages, method, minAgreement, batch, inputName } = flags;
  if (source === undefined) throw new UsageError('--form int8 needs calibration images: add --calibrate DATA');
  planInt8(model); // refuses a network without one-bit weights before it reads any image
  const { input: shape, classes } = model.config;
  const { train, test } = await openSplits(source, { shape, classes });
  try {
    // not earlier: reading an archive listens to no AbortSignal
    const { file, verification } = await withProgress('images', 'interrupted: nothing was written', async (progress, signal) => {
      const onProgress = (phase: string) => (done: number, total: number) => progress.update(phase, done, total);
      const ranges = await calibrate(model, {
        data: train,
        images: calibrationImages,
        method,
        signal,
        onProgress: onProgress('calibrate'),
      });
      const { signs }: Partial<Target> = flags.for ? targets[flags.for] : {};
      const file = toInt8Onnx(model, { ranges, input: flags.input, batch, inputName, ...signs });
      return { file, verification: await verifyInt8(file, { model, ranges, data: test, signal, onProgress: onProgress('verify') }) };
    });
    if (verification.agreement < minAgreement) {
      const { layer, logits } = worstLayer(verification.layers);
      throw new ParityError(
        `int8 agrees with float32 on ${percent(verification.agreement)} of ${verification.images} images: expected at least ${percent(minAgreement)}. ` +
          `${layer} costs most: alone it changes the logits by ${percent(logits)}. Try another --method or more --calibration-images`,
      );
    }
    return { file, verification };
  } finally {
    await train.close();
    await test.close();
  }
}

/** Layers named in the summary. */
const WORST = 3;

/** The verification as lines for people. */
export function describeInt8(verification: Int8Verification): string[] {
  const { bits, images, agreement, relError, float, int8, layers, milliseconds } = verification;
  const worst = [...layers].sort((a, b) => b.logits - a.logits).slice(0, WORST);
  return [
    `  verified: ${grouped(bits)} bits equal the source's; on ${grouped(images)} test images`,
    `  agreement with float32: ${percent(agreement)}, logits within ${significant(relError)}`,
    `  accuracy, 95 % interval: ${describeAccuracy(int8)}, float32 ${describeAccuracy(float)}`,
    `  speed on this CPU: ${milliseconds.int8.toFixed(2)} ms per image, float32 ${milliseconds.float.toFixed(2)}: ${(milliseconds.float / milliseconds.int8).toFixed(2)}x`,
    `  layers that cost most, as logit error when only that layer has 8 bits: ${worst.map(({ layer, logits }) => `${layer} ${percent(logits)}`).join(', ')}`,
  ];
}
