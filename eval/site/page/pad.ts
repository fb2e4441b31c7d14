/** The drawing pad: white on black, as the pictures of networks with one channel mostly are. With a pointer or the keyboard. */
import { byId } from './elements.ts';

interface Stroke {
  /** Pixels of the canvas. */
  readonly width: number;
  readonly points: { readonly x: number; readonly y: number }[];
}

/** Pixels that an arrow key moves the pen. */
const STEP = 10;
/** MNIST's digits fill 20 of 28 pixels and have their centre of mass in the middle (yann.lecun.com/exdb/mnist). */
const DIGIT = 20 / 28;

export class Pad {
  readonly #canvas = byId<HTMLCanvasElement>('pad');
  readonly #brush = byId<HTMLInputElement>('brush');
  readonly #pen = byId('pen');
  readonly #changed: () => void;
  #strokes: Stroke[] = [];
  /** The stroke that is being drawn. */
  #current: Stroke | undefined;
  #at = { x: 140, y: 140 };

  constructor(changed: () => void) {
    this.#changed = changed;
    byId('clear').addEventListener('click', () => this.clear());
    byId('undo').addEventListener('click', () => this.#undo());
    const canvas = this.#canvas;
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#begin(this.#placeOf(event));
    });
    canvas.addEventListener('pointermove', (event) => {
      if (this.#current && event.buttons !== 0) for (const one of event.getCoalescedEvents?.() ?? [event]) this.#extend(this.#placeOf(one));
    });
    for (const type of ['pointerup', 'pointercancel'] as const) canvas.addEventListener(type, () => this.#end());
    canvas.addEventListener('keydown', (event) => this.#key(event));
    canvas.addEventListener('focus', () => this.#showPen(canvas.matches(':focus-visible')));
    canvas.addEventListener('blur', () => {
      this.#end();
      this.#showPen(false);
    });
    this.#draw();
  }

  get isEmpty(): boolean {
    return this.#strokes.length === 0;
  }

  clear(): void {
    this.#strokes = [];
    this.#end();
    this.#draw();
    this.#changed();
  }

  /** @param centred whether to scale and centre the drawing as MNIST's digits are */
  async picture(centred: boolean): Promise<ImageBitmap> {
    return createImageBitmap(centred ? centredOf(this.#canvas) : this.#canvas);
  }

  #undo(): void {
    this.#strokes.pop();
    this.#end();
    this.#draw();
    this.#changed();
  }

  #begin(place: { x: number; y: number }): void {
    this.#current = { width: Number(this.#brush.value), points: [] };
    this.#strokes.push(this.#current);
    this.#extend(place);
  }

  #extend(place: { x: number; y: number }): void {
    this.#current?.points.push(place);
    this.#draw();
    this.#changed();
  }

  #end(): void {
    this.#current = undefined;
    this.#pen.classList.remove('down');
  }

  #placeOf({ clientX, clientY }: PointerEvent): { x: number; y: number } {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return { x: ((clientX - left) * this.#canvas.width) / width, y: ((clientY - top) * this.#canvas.height) / height };
  }

  #key(event: KeyboardEvent): void {
    const move = moves[event.key];
    if (event.key !== ' ' && !move) return;
    event.preventDefault();
    if (event.key === ' ') {
      if (this.#current) this.#end();
      else {
        this.#begin({ ...this.#at });
        this.#pen.classList.add('down');
      }
    } else if (move) {
      const within = (value: number) => Math.min(this.#canvas.width, Math.max(0, value));
      this.#at = { x: within(this.#at.x + STEP * move[0]), y: within(this.#at.y + STEP * move[1]) };
      if (this.#current) this.#extend({ ...this.#at });
    }
    this.#showPen(true);
  }

  #showPen(shown: boolean): void {
    this.#pen.hidden = !shown;
    this.#pen.style.setProperty('--x', String(this.#at.x / this.#canvas.width));
    this.#pen.style.setProperty('--y', String(this.#at.y / this.#canvas.height));
  }

  #draw(): void {
    const context = this.#canvas.getContext('2d', { willReadFrequently: true });
    if (!context) return;
    const { width, height } = this.#canvas;
    context.fillStyle = '#000';
    context.fillRect(0, 0, width, height);
    context.strokeStyle = '#fff';
    context.lineCap = 'round';
    context.lineJoin = 'round';
    for (const stroke of this.#strokes) {
      context.lineWidth = stroke.width;
      context.beginPath();
      for (const { x, y } of stroke.points) context.lineTo(x, y);
      if (stroke.points.length === 1) context.lineTo((stroke.points[0]?.x ?? 0) + 0.01, stroke.points[0]?.y ?? 0); // a dot
      context.stroke();
    }
  }
}

const moves: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function centredOf(drawing: HTMLCanvasElement): HTMLCanvasElement {
  const { width, height } = drawing;
  const pixels = drawing.getContext('2d')?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray();
  let [left, top, right, bottom, mass, sumX, sumY] = [width, height, -1, -1, 0, 0, 0];
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i += 4) {
      const value = pixels[i] as number;
      if (value === 0) continue;
      [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
      mass += value;
      sumX += value * (x + 0.5);
      sumY += value * (y + 0.5);
    }
  if (mass === 0) return drawing;
  const scale = (DIGIT * width) / Math.max(right + 1 - left, bottom + 1 - top);
  const made = Object.assign(document.createElement('canvas'), { width, height });
  const context = made.getContext('2d');
  if (!context) return drawing;
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.translate(width / 2, height / 2);
  context.scale(scale, scale);
  context.translate(-sumX / mass, -sumY / mass);
  context.drawImage(drawing, 0, 0);
  return made;
}
