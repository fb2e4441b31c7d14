/** The cards of the shipped networks say what their reports say. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { modelCard } from '../../../src/cli/train/model-card.ts';

const models = fileURLToPath(new URL('../../../models', import.meta.url));

test.each(readdirSync(models))('%s has the card of its report: node scripts/model-cards.mjs', (name) => {
  const report = JSON.parse(readFileSync(`${models}/${name}/report.json`, 'utf8'));
  expect(readFileSync(`${models}/${name}/README.md`, 'utf8')).toBe(modelCard(report, ['model.safetensors'], 'MIT'));
});

test('a card in words', () => {
  const card = readFileSync(`${models}/cifar-10-wrn-20-1/README.md`, 'utf8');
  for (const words of [
    '# WRN-20-1 for CIFAR-10, 1 bit per weight',
    '| classes | airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck |',
    '| input | 3 x 32 x 32 raw pixels 0..255 |',
    '| test error | 14.27 % of the 10,000 test images |',
    '50,000 training images of CIFAR-10, 30 epochs, seed 1',
    '- stochastic gradient descent: batches of 125, momentum 0.9, weight decay 0.0005',
    '- augmentation: random flips, random crops with 4 pixels of padding',
    '37.70 % after 2, 24.13 % after 6, 17.42 % after 14, 14.27 % after 30',
    '- wasm: 100.00 % of the decisions',
  ])
    expect(card).toContain(words);
});
