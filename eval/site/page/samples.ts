/** The pictures to try: those that come with the project, and a test image of each class where the site has some. */
import { elements } from '../../../src/formats/shape.ts';
import { readExcerpt } from '../excerpt.ts';
import type { NetworkFacts } from '../facts.ts';
import { byId, element } from './elements.ts';
import { imageOf, pngOf } from './pixels.ts';

export interface Sample {
  readonly label: string;
  readonly file: Blob;
}

/** Addresses of the thumbnails. */
let addresses: string[] = [];

/**
 * Fills the list.
 * @returns the first sample, if there is any
 */
export async function showSamples(network: NetworkFacts, choose: (sample: Sample) => void): Promise<Sample | undefined> {
  const samples = [...(await pictures(network)), ...(await testImages(network))];
  for (const address of addresses) URL.revokeObjectURL(address);
  addresses = samples.map(({ file }) => URL.createObjectURL(file));
  byId('samples').replaceChildren(...samples.map((sample, i) => item(sample, addresses[i] as string, choose)));
  byId('samples-title').hidden = samples.length === 0;
  return samples[0];
}

function item(sample: Sample, src: string, choose: (sample: Sample) => void): HTMLLIElement {
  const button = element('button', { type: 'button', title: sample.label }, element('img', { src, alt: `Sample: ${sample.label}` }));
  button.addEventListener('click', () => choose(sample));
  return element('li', {}, button);
}

async function pictures({ pictures }: NetworkFacts): Promise<Sample[]> {
  const files = await Promise.all(pictures.map(async ({ label, path }) => ({ label, file: await blobOf(path) })));
  return files.flatMap(({ label, file }) => (file ? [{ label, file }] : []));
}

async function testImages({ samples, input, labels }: NetworkFacts): Promise<Sample[]> {
  const file = samples === null ? undefined : await blobOf(samples);
  if (!file) return [];
  const excerpt = readExcerpt(new Uint8Array(await file.arrayBuffer()));
  const size = elements(excerpt.shape.slice(1));
  return Promise.all(
    [...excerpt.labels].map(async (label, i) => ({
      label: labels?.[label] ?? `class ${label}`,
      file: await pngOf(imageOf(excerpt.imagesNCHW.subarray(i * size, (i + 1) * size), input)),
    })),
  );
}

/** A sample that is not there is left out: the page works without it. */
async function blobOf(path: string): Promise<Blob | undefined> {
  const response = await fetch(path).catch(() => undefined);
  return response?.ok ? response.blob() : undefined;
}
