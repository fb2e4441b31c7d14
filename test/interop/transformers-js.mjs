// Classifies images with transformers.js as a program in Node does: FOLDER-OF-PACKAGES, then a question as JSON.
import { createRequire } from 'node:module';
import { basename, dirname } from 'node:path';
import { pathToFileURL } from 'node:url';

const [packages, question] = process.argv.slice(2);
const { model, dtypes, image, grey } = JSON.parse(question);
const path = createRequire(`${packages}/`).resolve('@huggingface/transformers');
const { env, pipeline, RawImage } = await import(pathToFileURL(path).href);
env.allowRemoteModels = false;
env.localModelPath = dirname(model);

const answers = {};
for (const dtype of dtypes) {
  const classify = await pipeline('image-classification', basename(model), dtype === 'default' ? {} : { dtype });
  const picture = await RawImage.read(image);
  answers[dtype] = await classify(grey ? picture.grayscale() : picture, { top_k: 10 });
}
console.log(JSON.stringify(answers));
