// Writes the model card of every shipped network from its report: node scripts/model-cards.mjs. Needs the build.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { modelCard } from '../dist/src/cli/train/model-card.js';

const models = new URL('../models/', import.meta.url);
for (const name of readdirSync(models)) {
  const report = JSON.parse(readFileSync(new URL(`${name}/report.json`, models), 'utf8'));
  writeFileSync(new URL(`${name}/README.md`, models), modelCard(report, ['model.safetensors'], 'MIT'));
}
