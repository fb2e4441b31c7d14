/** Makes a site: a folder of static files in which anybody can try networks. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catalogEntry } from '../../src/data/catalog.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { InputError } from '../../src/errors.ts';
import { networkName } from '../../src/network/config.ts';
import { readOneBitFile } from '../../src/onebit/file.ts';
import { loadOneBit } from '../../src/onebit/load.ts';
import { builtFile, packageFile } from '../../src/package-files.ts';
import { requirePackage } from '../../src/packages.ts';
import { version } from '../../src/version.ts';
import type { Session } from '../backends/backend.ts';
import { runCrops } from '../crops.ts';
import { html } from '../html/html.ts';
import type { ClassifierModel } from '../runtime/model-input.ts';
import { thresholdsOf } from '../tally/thresholds.ts';
import { type Excerpt, oneOfEach, takeExcerpt, writeExcerpt, writeLogits } from './excerpt.ts';
import type { CheckFacts, NetworkFacts, PictureFacts, RuntimeName, SiteFacts } from './facts.ts';
import type { OfflineFacts } from './offline/worker.ts';

export interface SiteNetwork {
  /** Name of the user's file: part of addresses, and the title of a file without metadata. */
  readonly name: string;
  readonly model: ClassifierModel;
  /** Test images for the samples and the check; the caller closes them. */
  readonly data?: ImageSet | undefined;
}

export interface SiteOptions {
  readonly title?: string | undefined;
  /** Test images for the check, at most; 0 leaves it out. */
  readonly checked: number;
  /** Whether a service worker keeps the page for use without a network. */
  readonly offline: boolean;
  /** Opens the runtime that the browser is compared with. */
  readonly openReference: (model: ClassifierModel) => Promise<Session>;
}

/** The files of a site, by their path in its folder. */
export type SiteFiles = Map<string, Uint8Array>;

export interface Site {
  readonly facts: SiteFacts;
  readonly files: SiteFiles;
  /** Bytes that the first visit loads: the page, its first network with its runtime, and the samples. */
  readonly firstBytes: number;
}

/** Samples of a test set: for most sets one of each class. */
const MOST_SAMPLES = 12;

/**
 * @throws InputError when a network is no classifier of pictures, or is damaged
 * @throws DeviceError when a package is needed that is not installed
 */
export async function buildSite(networks: readonly SiteNetwork[], options: SiteOptions): Promise<Site> {
  const files: SiteFiles = await staticFiles();
  const facts: NetworkFacts[] = [];
  for (const network of networks) facts.push(await addNetwork(files, network, { ...options, taken: facts.map(({ id }) => id) }));
  const title = options.title ?? (facts.length === 1 ? `${facts[0]?.title}, one bit per weight` : 'One bit per weight');
  const site: SiteFacts = { title, version, offline: options.offline, networks: facts };
  files.set('index.html', await page(site));
  files.set('manifest.webmanifest', json(webManifest(title)));
  files.set('site.json', json(site));
  files.set('licences.txt', await licences(networks, facts));
  const shell = shellOf(files, facts[0] as NetworkFacts);
  if (options.offline) files.set('sw.js', await serviceWorker(files, shell));
  const firstBytes = [...shell, 'sw.js'].reduce((sum, path) => sum + (files.get(path || 'index.html')?.length ?? 0), 0);
  return { facts: site, files, firstBytes };
}

/** The folder of the page's built files. */
const FOLDER = builtFile('eval/site/static');

/** The files that all sites have in common. */
async function staticFiles(): Promise<SiteFiles> {
  const files: SiteFiles = new Map();
  for (const path of ['page.css', 'page.js', 'engine.js', ...(await readdir(join(FOLDER, 'icons'))).sort().map((icon) => `icons/${icon}`)])
    files.set(path, await readFile(join(FOLDER, path)));
  return files;
}

/** Adds a file with a digest in its name: a new version has a new address, and no cache mixes the two. */
function addHashed(files: SiteFiles, path: string, bytes: Uint8Array): string {
  const dot = path.lastIndexOf('.');
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 8);
  const named = `${path.slice(0, dot)}.${digest}${path.slice(dot)}`;
  files.set(named, bytes);
  return named;
}

async function addNetwork(
  files: SiteFiles,
  { name, model, data }: SiteNetwork,
  { checked, openReference, taken }: SiteOptions & { readonly taken: readonly string[] },
): Promise<NetworkFacts> {
  const { input, classes, metadata, bytes } = model;
  const { channels, height, width } = input;
  if (channels !== 1 && channels !== 3)
    throw new InputError('onnx', `input ${input.name}`, `expected pictures of 1 or 3 channels, got ${channels}`);
  const runtime = await runtimeOf(bytes);
  if (runtime === 'onnxruntime') await addOnnxruntime(files);
  const id = freeId(name, taken);
  const { dataset, classLabels: labels, testAccuracy } = metadata?.about ?? {};
  const known = dataset === undefined ? undefined : catalogEntry(dataset);
  const excerpt = data && (await takeExcerpt(data, Math.max(checked, SAMPLED)));
  const path = addHashed(files, `models/${id}.onnx`, bytes);
  return {
    id,
    title: known?.title ?? dataset ?? name,
    about: metadata ? `${networkName(metadata.config)}, ${metadata.form}` : `ONNX, ${classes} classes`,
    path,
    bytes: bytes.length,
    runtime,
    runtimeBytes: runtimeFiles(files, runtime).reduce((sum, path) => sum + (files.get(path) as Uint8Array).length, 0),
    input: { channels, height, width },
    classes,
    labels: labels ?? null,
    testError: testAccuracy === undefined ? null : 1 - testAccuracy,
    centredDrawings: dataset === 'mnist',
    pictures: await addPictures(files, labels ?? [], channels),
    samples: excerpt ? addHashed(files, `samples/${plain(data.name)}.safetensors`, writeExcerpt(oneOfEach(excerpt, MOST_SAMPLES))) : null,
    check: excerpt && checked > 0 ? await addCheck(files, { id, model, data, excerpt: first(excerpt, checked), openReference }) : null,
  };
}

/** Images to choose samples from when there is no check. */
const SAMPLED = 100;

function first({ imagesNCHW, shape: [count, ...shape], labels }: Excerpt, most: number): Excerpt {
  const kept = Math.min(count, most);
  return { imagesNCHW: imagesNCHW.subarray(0, (imagesNCHW.length / count) * kept), shape: [kept, ...shape], labels: labels.slice(0, kept) };
}

/** The one-bit runtime for every file that it can run. @throws InputError when such a file is damaged */
async function runtimeOf(bytes: Uint8Array): Promise<RuntimeName> {
  try {
    readOneBitFile(bytes);
  } catch (error) {
    if (error instanceof InputError) return 'onnxruntime';
    throw error;
  }
  (await loadOneBit(bytes, { threads: 1 })).release();
  return 'onebit';
}

const ORT = ['ort.wasm.bundle.min.mjs', 'ort-wasm-simd-threaded.wasm'];

function runtimeFiles(files: SiteFiles, runtime: RuntimeName): string[] {
  return runtime === 'onebit' ? ['engine.js'] : [...files.keys()].filter((path) => path === 'engine.js' || path.startsWith('ort/'));
}

async function addOnnxruntime(files: SiteFiles): Promise<void> {
  requirePackage('onnxruntime-web');
  const folder = dirname(fileURLToPath(import.meta.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm')));
  for (const name of ORT) files.set(`ort/${name}`, await readFile(join(folder, name)));
}

/** A name as part of an address. */
function plain(name: string): string {
  return (
    name
      .replace(/[^\w.-]+/g, '-')
      .replace(/^[-.]+/, '')
      .slice(0, 60) || 'unnamed'
  );
}

/** The same, made unique by a number. */
function freeId(name: string, taken: readonly string[]): string {
  for (let i = 1; ; i++) {
    const id = i === 1 ? plain(name) : `${plain(name)}-${i}`;
    if (!taken.includes(id)) return id;
  }
}

/** The drawn samples whose names are classes of the network; digits are for grey networks. */
async function addPictures(files: SiteFiles, labels: readonly string[], channels: number): Promise<PictureFacts[]> {
  const pictures: PictureFacts[] = [];
  for (const file of (await readdir(join(FOLDER, 'pictures'))).sort()) {
    const label = file.replace(/\.png$/, '');
    if (!labels.includes(label) || (channels === 1) !== /^\d$/.test(label)) continue;
    pictures.push({ label, path: addHashed(files, `samples/${file}`, await readFile(join(FOLDER, 'pictures', file))) });
  }
  return pictures;
}

interface Check {
  readonly id: string;
  readonly model: ClassifierModel;
  readonly data: ImageSet;
  readonly excerpt: Excerpt;
  readonly openReference: SiteOptions['openReference'];
}

async function addCheck(files: SiteFiles, { id, model, data, excerpt, openReference }: Check): Promise<CheckFacts> {
  const [count] = excerpt.shape;
  const session = await openReference(model);
  try {
    const batch = model.input.fixedBatch ?? BATCH;
    const { logits } = await runCrops(session, model, excerpt.imagesNCHW, { batch, perImage: 1, shape: model.input });
    const images = addHashed(files, `checks/${plain(data.name)}.safetensors`, writeExcerpt(excerpt));
    const answers = addHashed(files, `checks/${id}.logits.safetensors`, writeLogits(logits, count));
    return {
      data: catalogEntry(data.name)?.title ?? data.name,
      count,
      total: data.length,
      images,
      logits: answers,
      bytes: [images, answers].reduce((sum, path) => sum + (files.get(path) as Uint8Array).length, 0),
      recordedBy: session.detail,
      thresholds: thresholdsOf(model.metadata?.form),
    };
  } finally {
    await session.close();
  }
}

const BATCH = 25;

async function page({ title, version }: SiteFacts): Promise<Uint8Array> {
  const template = await readFile(join(FOLDER, 'index.html'), 'utf8');
  const values: Readonly<Record<string, string>> = { title, version };
  return text(template.replace(/%(\w+)%/g, (_, name: string) => html`${values[name]}`.text));
}

function webManifest(title: string) {
  const png = (name: string, size: number, purpose: string) => ({
    src: `icons/${name}.png`,
    sizes: `${size}x${size}`,
    type: 'image/png',
    purpose,
  });
  return {
    name: title,
    short_name: title.length > 12 ? 'wrn-onnx' : title,
    description: 'Classifies pictures in the browser with a network of one bit per weight.',
    id: './',
    start_url: './',
    scope: './',
    display: 'standalone',
    background_color: '#ffffff',
    theme_color: '#1f5fc4',
    icons: [
      { src: 'icons/icon.svg', sizes: 'any', type: 'image/svg+xml', purpose: 'any' },
      png('icon-192', 192, 'any'),
      png('icon-512', 512, 'any'),
      png('maskable-512', 512, 'maskable'),
    ],
  };
}

/** Files that the first visit loads and keeps: all but other networks, other runtimes and the checks. '' is the page itself. */
function shellOf(files: SiteFiles, { path, runtime, pictures, samples }: NetworkFacts): string[] {
  const of = [path, ...pictures.map((picture) => picture.path), ...(samples === null ? [] : [samples]), ...runtimeFiles(files, runtime)];
  const common = [...files.keys()].filter((file) => !file.includes('/') && file !== 'index.html' && file !== 'licences.txt');
  return ['', ...new Set([...common, 'icons/icon.svg', ...of])];
}

/** @param files all but the service worker itself */
async function serviceWorker(files: SiteFiles, shell: readonly string[]): Promise<Uint8Array> {
  const code = await readFile(join(FOLDER, 'sw.js'));
  const digest = createHash('sha256');
  for (const [path, bytes] of [...files, ['sw.js', code] as const].sort(([a], [b]) => (a < b ? -1 : 1)))
    digest.update(`${path}\0${bytes.length}\0`).update(bytes);
  const facts: OfflineFacts = { version: digest.digest('hex').slice(0, 16), shell: shell.map((path) => `./${path}`) };
  return text(`self.wrnSite = ${JSON.stringify(facts)};\n${code.toString()}`);
}

/** The licences of everything in the folder. */
async function licences(networks: readonly SiteNetwork[], facts: readonly NetworkFacts[]): Promise<Uint8Array> {
  const own = await readFile(packageFile('LICENSE'), 'utf8');
  const parts = [`wrn-onnx ${version}: the page, the one-bit runtime and the drawn samples\n\n${own}`];
  if (facts.some(({ runtime }) => runtime === 'onnxruntime'))
    parts.push(`onnxruntime-web (ort/): MIT License, Copyright (c) Microsoft Corporation. The licence above has the same terms.\n`);
  const sets = new Set(networks.flatMap(({ data }) => (data ? [data.name] : [])));
  for (const name of sets)
    parts.push(`Images of ${catalogEntry(name)?.title ?? name} (samples/, checks/): ${catalogEntry(name)?.license ?? 'not stated'}\n`);
  if (sets.has('fashion-mnist')) parts.push(await readFile(packageFile('examples/fashion-mnist/README.md'), 'utf8'));
  return text(parts.join(`\n${'-'.repeat(72)}\n\n`));
}

const text = (value: string) => new TextEncoder().encode(value);
const json = (value: unknown) => text(`${JSON.stringify(value)}\n`);
