/** The page: a picture from a file, the camera or the drawing pad, and what the network says to it. */
import { counted } from '../../../src/numbers.ts';
import type { Picture } from '../../../src/onebit/picture.ts';
import { fileSize } from '../../html/format.ts';
import type { Opened } from '../engine/protocol.ts';
import type { NetworkFacts, SiteFacts } from '../facts.ts';
import { clearAnswer, showAnswer } from './answer.ts';
import { Camera } from './camera.ts';
import { showCheck } from './check.ts';
import { byId, element, say } from './elements.ts';
import { Engine } from './engine.ts';
import { takeFiles } from './files.ts';
import { keepOffline, offerInstall } from './install.ts';
import { showNetworks, showSpeed } from './networks.ts';
import { Pad } from './pad.ts';
import { type Sample, showSamples } from './samples.ts';
import { whyNot } from './support.ts';

type Mode = 'picture' | 'camera' | 'draw';

class App {
  readonly #camera = new Camera((frame) => this.#classify(frame, true));
  readonly #pad = new Pad(() => this.#drawn());
  #network: NetworkFacts;
  #engine = new Engine();
  #open: Promise<unknown> = Promise.resolve();
  #opened: Opened | undefined;
  /** How there could be more threads, once that is known. */
  #moreThreads = '';
  #mode: Mode = 'picture';
  /** What is shown in the mode `picture`. */
  #picture: { readonly file: Blob; readonly name: string; readonly address: string; readonly isSample: boolean } | undefined;
  #drawing: 'idle' | 'busy' | 'again' = 'idle';

  constructor(first: NetworkFacts) {
    this.#network = first;
    for (const radio of document.querySelectorAll<HTMLInputElement>('input[name=mode]'))
      radio.addEventListener('change', () => this.#setMode(radio.value as Mode));
    byId('camera-stop').addEventListener('click', () => (this.#camera.running ? this.#stopCamera() : this.#startCamera()));
    takeFiles((file) => {
      this.#choose('picture');
      void this.#show(file, file instanceof File ? file.name : 'the pasted picture', false);
    });
  }

  /** Loads a network and runs it on what is shown. */
  async use(network: NetworkFacts): Promise<void> {
    const otherKind = network.labels?.join() !== this.#network.labels?.join();
    this.#network = network;
    this.#engine.close();
    const engine = new Engine();
    this.#engine = engine;
    clearAnswer();
    this.#describe(network);
    this.#open = this.#load(engine, network);
    const opened = this.#open.catch(() => {}); // told by #load
    const sample = await showSamples(network, (chosen) => void this.#showSample(chosen));
    if (this.#engine !== engine) return;
    if (sample && (!this.#picture || (this.#picture.isSample && otherKind))) this.#keep(sample.file, sample.label, true);
    if (network.input.channels !== 1 && this.#mode === 'draw') this.#choose('picture');
    else this.#showMode();
    await opened;
    await this.#again();
    if (this.#engine !== engine || this.#mode === 'camera') return;
    await engine.time().then(
      (milliseconds) => showSpeed(network, milliseconds),
      () => {},
    );
  }

  async #load(engine: Engine, network: NetworkFacts): Promise<void> {
    const bar = byId<HTMLProgressElement>('progress');
    byId('loading-text').textContent = `Loading ${fileSize(network.bytes + (network.runtime === 'onebit' ? 0 : network.runtimeBytes))}`;
    bar.removeAttribute('value');
    byId('loading').hidden = false;
    say('problem', undefined);
    try {
      const opened = await engine.open(network, (done) => {
        bar.value = done;
      });
      if (this.#engine === engine) this.#tellRuntime(opened);
    } catch (error) {
      if (this.#engine === engine) say('problem', `The network was not loaded. ${messageOf(error)}`);
      throw error;
    } finally {
      if (this.#engine === engine) byId('loading').hidden = true;
    }
  }

  #tellRuntime({ runtime, threads }: Opened): void {
    this.#opened = { runtime, threads };
    const more = threads > 1 || crossOriginIsolated || navigator.hardwareConcurrency < 2 ? '' : this.#moreThreads;
    byId('runtime').textContent = `${runtime}, ${counted(threads, 'thread')}.${more}`;
  }

  /** @param kept whether a service worker isolates the page from the next time on that it loads */
  tellMoreThreads(kept: boolean): void {
    this.#moreThreads = kept ? ' Reload the page for more threads.' : ' More need a host that isolates the page.';
    if (this.#opened) this.#tellRuntime(this.#opened);
  }

  #describe(network: NetworkFacts): void {
    const { input, labels, classes } = network;
    byId('view').style.setProperty('--aspect', `${input.width} / ${input.height}`);
    byId('mode-draw').hidden = input.channels !== 1;
    byId('network-bytes').textContent = fileSize(network.bytes);
    byId('runtime-bytes').textContent = fileSize(network.runtimeBytes);
    byId('seen-size').textContent = `${input.width} × ${input.height} pixels, ${input.channels === 1 ? 'grey' : 'colour'}`;
    byId('runtime').textContent = '';
    byId('knows-title').textContent = `The ${classes.toLocaleString('en-US')} classes that it knows`;
    byId('knows').replaceChildren(...(labels ?? []).map((label) => element('li', {}, label)));
    (document.querySelector('.knows') as HTMLElement).hidden = labels === null;
    showCheck(network, async () => {
      await this.#open;
      return this.#engine;
    });
  }

  #choose(mode: Mode): void {
    const radio = document.querySelector<HTMLInputElement>(`input[name=mode][value=${mode}]`);
    if (radio) radio.checked = true;
    this.#setMode(mode);
  }

  #setMode(mode: Mode): void {
    if (this.#mode === 'camera' && mode !== 'camera') this.#camera.stop();
    const changed = this.#mode !== mode;
    this.#mode = mode;
    this.#showMode();
    if (!changed) return;
    say('problem', undefined);
    clearAnswer();
    if (mode === 'camera') this.#startCamera();
    else void this.#again();
  }

  #showMode(): void {
    for (const part of document.querySelectorAll<HTMLElement>('[data-mode]')) part.hidden = part.dataset['mode'] !== this.#mode;
    byId('picture').hidden = this.#mode !== 'picture' || !this.#picture;
    byId('pad').hidden = this.#mode !== 'draw';
    byId('video').hidden = this.#mode !== 'camera' || !this.#camera.running;
    const empty: Readonly<Record<Mode, string | undefined>> = {
      picture: this.#picture ? undefined : 'Drop a picture here',
      camera: this.#camera.running ? undefined : 'The camera is off',
      draw: undefined,
    };
    say('empty', empty[this.#mode]);
    byId('camera-stop').textContent = this.#camera.running ? 'Stop' : 'Start';
  }

  /** Classifies again what is shown; the camera goes on by itself. */
  async #again(): Promise<void> {
    if (this.#mode === 'picture' && this.#picture) await this.#classify(this.#picture.file, false);
    if (this.#mode === 'draw' && !this.#pad.isEmpty) this.#drawn();
  }

  async #classify(picture: Picture, live: boolean): Promise<void> {
    const [engine, network] = [this.#engine, this.#network];
    const mode = this.#mode;
    try {
      await this.#open;
    } catch {
      return; // told by #load
    }
    if (engine !== this.#engine) return;
    try {
      const answer = await engine.classify(picture);
      if (engine === this.#engine && mode === this.#mode) showAnswer(network, answer, live);
    } catch (error) {
      if (engine !== this.#engine) return;
      clearAnswer();
      if (!(picture instanceof Blob)) return say('problem', messageOf(error));
      say('problem', undecodable(this.#picture?.name));
      this.#picture = undefined;
      this.#showMode();
    }
  }

  #keep(file: Blob, name: string, isSample: boolean): void {
    if (this.#picture) URL.revokeObjectURL(this.#picture.address);
    this.#picture = { file, name, address: URL.createObjectURL(file), isSample };
    const image = byId<HTMLImageElement>('picture');
    image.src = this.#picture.address;
    image.alt = isSample ? `Sample: ${name}` : name;
    image.classList.toggle('coarse', false);
    image.onload = () => image.classList.toggle('coarse', image.naturalWidth < COARSE);
  }

  async #show(file: Blob, name: string, isSample: boolean): Promise<void> {
    say('problem', undefined);
    this.#keep(file, name, isSample);
    this.#showMode();
    await this.#again();
  }

  async #showSample({ file, label }: Sample): Promise<void> {
    await this.#show(file, label, true);
  }

  #startCamera(): void {
    say('problem', undefined);
    this.#camera.start().then(
      () => this.#showMode(),
      (error: unknown) => {
        this.#showMode();
        if (this.#mode === 'camera') say('problem', messageOf(error));
      },
    );
  }

  #stopCamera(): void {
    this.#camera.stop();
    this.#showMode();
  }

  /** One drawing at a time; the last one is never left out. */
  #drawn(): void {
    if (this.#pad.isEmpty) {
      clearAnswer();
      return;
    }
    if (this.#drawing !== 'idle') {
      this.#drawing = 'again';
      return;
    }
    this.#drawing = 'busy';
    void (async () => {
      await this.#classify(await this.#pad.picture(this.#network.centredDrawings), false);
      const again = this.#drawing === 'again';
      this.#drawing = 'idle';
      if (again) this.#drawn();
    })();
  }
}

/** Pictures of fewer pixels are shown as they are, pixel by pixel. */
const COARSE = 100;

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

const undecodable = (name = 'The picture') =>
  `${name} is no picture that this browser can read. Try a PNG, JPEG or WebP file; photos in the format HEIC have to be converted first.`;

async function start(): Promise<void> {
  const reason = whyNot();
  if (reason !== undefined) return say('fatal', reason);
  const response = await fetch('site.json').catch(() => undefined);
  if (!response?.ok)
    return say('fatal', 'site.json is missing on the server: the site is incomplete. Copy the whole folder, then reload the page.');
  const site: SiteFacts = await response.json();
  const [first] = site.networks;
  if (!first) return say('fatal', 'This site has no network.');
  say('fatal', undefined);
  byId('main').hidden = false;
  const app = new App(first);
  showNetworks(site.networks, (network) => void app.use(network));
  offerInstall();
  await app.use(first);
  app.tellMoreThreads(site.offline && (await keepOffline()));
}

void start();
