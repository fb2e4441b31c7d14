/** `export --form fp16`: exports, and measures what float16 costs. */
import { toFp16Onnx } from '../../../converters/onnx/forms/fp16/to-fp16.ts';
import { MAX_FLOAT16 } from '../../../converters/onnx/graph.ts';
import { type Fp16Comparison, type Fp16Verification, verifyFp16 } from '../../../eval/verify/fp16.ts';
import { openImageSet } from '../../data/open.ts';
import { ParityError } from '../../errors.ts';
import type { InputLayout } from '../../network/file-metadata.ts';
import type { Model } from '../../network/model.ts';
import { grouped, percent, significant } from '../../numbers.ts';
import { withProgress } from '../shared/progress.ts';
import { describeAccuracy } from './describe.ts';

export interface Fp16Flags {
  readonly input: InputLayout;
  readonly float16Io?: boolean;
  readonly data?: string | undefined;
  readonly minAgreement: number;
  readonly batch?: number;
  readonly inputName?: string;
}

export interface Fp16Export {
  readonly file: Uint8Array;
  readonly verification: Fp16Verification;
}

/** @throws ParityError when the forms decide too many images of the data set differently; on random images, often near ties, only logits are compared */
export async function exportFp16(
  model: Model,
  { input, float16Io, data: source, minAgreement, batch, inputName }: Fp16Flags,
): Promise<Fp16Export> {
  const file = toFp16Onnx(model, { input, float16Io, batch, inputName });
  const { input: shape, classes } = model.config;
  const data = source === undefined ? undefined : await openImageSet(source, { split: 'test', shape, classes });
  try {
    const verification = await withProgress('images', 'interrupted: nothing was written', (progress, signal) =>
      verifyFp16(file, { model, data, signal, onProgress: (done, total) => progress.update('verify', done, total) }),
    );
    const { data: onData } = verification;
    if (onData && onData.agreement < minAgreement)
      throw new ParityError(
        `fp16 agrees with float32 on ${percent(onData.agreement)} of ${onData.images} images: expected at least ${percent(minAgreement)}`,
      );
    return { file, verification };
  } finally {
    await data?.close();
  }
}

/** The verification as lines for people. */
export function describeFp16({ bits, random, data, peak }: Fp16Verification): string[] {
  const compared = (what: string, { images, agreement, relError }: Fp16Comparison) =>
    `  ${images} ${what}: agreement with float32 ${percent(agreement)}, logits within ${significant(relError)}`;
  return [
    `  verified: ${grouped(bits)} bits equal the source's; every value rounded to float16, sums in float32:`,
    compared('random images', random),
    ...(data
      ? [
          compared('test images', data),
          `  accuracy, 95 % interval: ${describeAccuracy(data.fp16)}, float32 ${describeAccuracy(data.float)}`,
        ]
      : ['  to measure agreement and accuracy on real images, add --data DATA']),
    `  largest value: ${significant(peak.value)} in ${peak.layer}, ${Math.floor(MAX_FLOAT16 / peak.value)} times below the float16 limit`,
  ];
}
