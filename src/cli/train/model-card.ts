/** The model card of a trained network (Mitchell et al., "Model Cards for Model Reporting", 2019), from its report. */
import type { Report } from '../../../eval/report.ts';
import { catalogEntry } from '../../data/catalog.ts';
import { bitsName, type NetworkConfig } from '../../network/config.ts';
import { grouped, percent, significant } from '../../numbers.ts';
import type { Recipe } from '../../train/recipe.ts';

/** What a card is made of: the part of `report.json` that all versions have. */
export interface CardFacts {
  readonly network: string;
  readonly bits: 1 | 32;
  readonly weights: number;
  readonly config: Pick<NetworkConfig, 'input' | 'classes'>;
  readonly recipe: Recipe;
  readonly epochs: number;
  readonly data: { readonly name: string; readonly trainImages: number; readonly testImages: number };
  readonly cycles: readonly { readonly epoch: number; readonly testError: number }[];
  readonly testError: number | null;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  readonly parity: Pick<Report, 'images' | 'classLabels' | 'reference' | 'verdict'> & {
    readonly results: readonly { readonly backend: string; readonly agreement: number | null; readonly relError: number | null }[];
  };
}

/**
 * @param files that lie beside the card
 * @param licence of the network, as the publisher of the card states it
 */
export function modelCard(facts: CardFacts, files: readonly string[], licence?: string): string {
  const { network, bits, weights, config, data, epochs, testError, parity } = facts;
  const { channels, height, width } = config.input;
  const kind = `${bitsName({ bits })} per weight`;
  const set = catalogEntry(data.name);
  const title = set?.title ?? data.name;
  const { classLabels } = parity;
  const rows = parity.results.filter(({ backend }) => backend !== parity.reference);
  const others = rows.map(
    ({ backend, agreement, relError }) =>
      `- ${backend}: ${percent(agreement ?? 0)} of the decisions, logits within ${significant(relError ?? 0)}`,
  );
  const stored = Object.entries(facts.files).filter(([name]) => files.includes(name));
  return `# ${network} for ${title}, ${kind}

| | |
|---|---|
| classes | ${classLabels ? classLabels.join(', ') : config.classes} |
| input | ${channels} x ${height} x ${width} raw pixels 0..255 |
| weights | ${grouped(weights)}, ${kind} |
| test error | ${testError === null ? 'not measured' : `${percent(testError)} of the ${grouped(data.testImages)} test images`} |
| licence of the network | ${licence ?? 'not stated'} |
| licence of the data | ${set?.license ?? 'not known'} |

## Training

${grouped(data.trainImages)} training images of ${title}, ${epochs} epochs, seed ${facts.recipe.seed}, trained from scratch by wrn-onnx in tfjs-node.

${recipeLines(facts.recipe).join('\n')}

Test error at the ends of the learning rate's cycles: ${facts.cycles.map(({ epoch, testError: error }) => `${percent(error)} after ${epoch}`).join(', ') || 'none'}.

## Parity

Decided as in ${parity.reference}, the training runtime, on ${grouped(parity.images)} test images: ${parity.verdict}.

${others.join('\n')}

## Use

Classifies images of the kind of ${title}, scaled to ${height} x ${width} pixels. It was trained and tested on this data alone: on other
images it still answers with one of its classes, often with confidence. It is meant for demonstrations, teaching and comparisons of
one-bit networks, not for decisions that affect people.

## Files

${stored.map(([name, { bytes, sha256 }]) => `- \`${name}\`: ${grouped(bytes)} bytes, SHA-256 \`${sha256}\``).join('\n')}
`;
}

function recipeLines({ batch, momentum, weightDecay, schedule, augmentation, math, teacher }: Recipe): string[] {
  const { flip, pad, cutout, shorterSide } = augmentation;
  const rates =
    schedule.kind === 'steps'
      ? `${schedule.rates.join(', ')} in equal parts of ${schedule.epochs} epochs`
      : `cosine from ${schedule.high} to ${schedule.low}, restarted after ${schedule.firstCycle} epochs and then after twice as many each time`;
  const changes = [
    ...(shorterSide ? [`shorter side scaled to ${shorterSide.join(' to ')} pixels`] : []),
    ...(flip ? ['random flips'] : []),
    ...(pad > 0 ? [`random crops with ${pad} pixels of padding`] : []),
    ...(cutout > 0 ? [`cutout of ${cutout} x ${cutout} pixels`] : []),
  ];
  return [
    `- stochastic gradient descent: batches of ${batch}, momentum ${momentum}, weight decay ${weightDecay}`,
    `- learning rate: ${rates}`,
    `- augmentation: ${changes.join(', ') || 'none'}`,
    ...(math === 'bf16' ? ['- products in bfloat16'] : []),
    ...(teacher ? [`- teacher of SHA-256 \`${teacher.sha256}\`, weight ${teacher.weight}, temperature ${teacher.temperature}`] : []),
  ];
}
