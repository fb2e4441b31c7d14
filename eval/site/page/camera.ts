/** The camera, frame by frame. */
import { byId, element, say } from './elements.ts';

/** Milliseconds over which the rate is counted. */
const WINDOW = 1000;

export class Camera {
  readonly #video = byId<HTMLVideoElement>('video');
  readonly #devices = byId<HTMLSelectElement>('device');
  readonly #use: (frame: ImageBitmap) => Promise<void>;
  #stream: MediaStream | undefined;

  /** @param use takes a frame; the next one comes when it is done */
  constructor(use: (frame: ImageBitmap) => Promise<void>) {
    this.#use = use;
    this.#devices.addEventListener('change', () => void this.start().catch(() => {}));
  }

  get running(): boolean {
    return this.#stream !== undefined;
  }

  /** Starts the chosen camera, at first the one that faces away from the user. @throws Error with a sentence for the user */
  async start(): Promise<void> {
    this.stop();
    if (!navigator.mediaDevices)
      throw new Error('Browsers give the camera only to pages from https addresses and from this computer itself.');
    const device = this.#devices.value;
    const video = device ? { deviceId: { exact: device } } : { facingMode: { ideal: 'environment' } };
    const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false }).catch((error: unknown) => {
      throw new Error(reasons[error instanceof Error ? error.name : ''] ?? `The camera does not start: ${String(error)}`);
    });
    this.#stream = stream;
    this.#video.srcObject = stream;
    await this.#video.play();
    await this.#list(stream);
    void this.#run(stream);
  }

  stop(): void {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.#video.srcObject = null;
    say('rate', undefined);
  }

  /** Names of cameras are told once one may be used. */
  async #list(stream: MediaStream): Promise<void> {
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === 'videoinput');
    const current = stream.getVideoTracks()[0]?.getSettings().deviceId;
    const options = cameras.map(({ deviceId, label }, i) =>
      element('option', { value: deviceId, textContent: label || `Camera ${i + 1}` }),
    );
    this.#devices.replaceChildren(...options);
    if (current !== undefined) this.#devices.value = current;
    byId('devices').hidden = cameras.length < 2;
  }

  async #run(stream: MediaStream): Promise<void> {
    const done: number[] = [];
    while (this.#stream === stream) {
      await this.#nextFrame();
      if (this.#stream !== stream || this.#video.videoWidth === 0) continue;
      await this.#use(await createImageBitmap(this.#video));
      const now = performance.now();
      done.push(now);
      while ((done[0] as number) < now - WINDOW) done.shift();
      const seconds = (now - (done[0] as number)) / 1000;
      if (done.length > 2 && this.#stream === stream) say('rate', `${((done.length - 1) / seconds).toFixed(0)} images per second`);
    }
  }

  #nextFrame(): Promise<unknown> {
    return new Promise((resolve) => {
      if ('requestVideoFrameCallback' in this.#video) this.#video.requestVideoFrameCallback(resolve);
      else requestAnimationFrame(resolve);
    });
  }
}

const none = 'No camera was found. Connect one and start again, or choose a picture.';
/** By the name of the error. */
const reasons: Readonly<Record<string, string>> = {
  NotAllowedError: 'The camera is blocked for this page. Allow it beside the address of the page, then start again; or choose a picture.',
  NotFoundError: none,
  OverconstrainedError: none,
  NotReadableError: 'The camera is in use by another program. Close that and start again.',
};
