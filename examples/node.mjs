// node node.mjs MODEL.onnx IMAGE        needs: npm install onnxruntime-node sharp
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { readMetadata } from './metadata.mjs';

process.env.ORT_DISABLE_TELEMETRY = '1'; // onnxruntime-node reports its use to its vendor unless this is set before it loads
const { InferenceSession, Tensor } = await import('onnxruntime-node');

const [, , modelPath, imagePath] = process.argv;
const file = await readFile(modelPath);
const session = await InferenceSession.create(file);
const labels = JSON.parse(readMetadata(file)['wrn.class_labels'] ?? '[]');

// exported with --input nhwc-uint8: the network takes pixels as they are
const [, height, width, channels] = session.inputMetadata[0].shape;
const image = sharp(imagePath)
  .autoOrient()
  .flatten({ background: 'white' })
  .toColourspace(channels === 1 ? 'b-w' : 'srgb');
const pixels = await image.resize(width, height).raw().toBuffer();
const { logits } = await session.run({ images: new Tensor('uint8', pixels, [1, height, width, channels]) });

const weights = logits.data.map((logit) => Math.exp(logit - Math.max(...logits.data)));
const sum = weights.reduce((a, b) => a + b);
const ranking = [...weights.keys()].sort((a, b) => weights[b] - weights[a]);
for (const i of ranking.slice(0, 3)) console.log(`${labels[i] ?? `class ${i}`}: ${((100 * weights[i]) / sum).toFixed(1)} %`);
