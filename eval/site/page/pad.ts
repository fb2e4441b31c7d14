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
    return createImageBitmap(centred ? centredOf(this.#strokes, this.#canvas) : this.#canvas);
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
    drawStrokes(this.#canvas, this.#strokes);
  }
}

const moves: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function drawStrokes(canvas: HTMLCanvasElement, strokes: readonly Stroke[]): CanvasRenderingContext2D | null {
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) return null;
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.strokeStyle = '#fff';
  context.lineCap = 'round';
  context.lineJoin = 'round';
  for (const { width, points } of strokes) {
    context.lineWidth = width;
    context.beginPath();
    for (const { x, y } of points) context.lineTo(x, y);
    const [first] = points;
    if (first && points.length === 1) context.lineTo(first.x + 0.01, first.y); // a dot
    context.stroke();
  }
  return context;
}

/** The drawing at the size of a digit, with lines as wide as they were drawn, and its centre of mass in the middle. */
function centredOf(strokes: readonly Stroke[], { width, height }: { readonly width: number; readonly height: number }): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const points = strokes.flatMap((stroke) => stroke.points);
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const line = Math.max(...strokes.map((stroke) => stroke.width));
  const extent = Math.max(Math.max(...xs) - left, Math.max(...ys) - top);
  const scale = extent === 0 ? 1 : (DIGIT * width - line) / extent;
  const moved = (by: { readonly x: number; readonly y: number }) =>
    strokes.map((stroke) => ({
      ...stroke,
      points: stroke.points.map(({ x, y }) => ({ x: (x - left) * scale + by.x, y: (y - top) * scale + by.y })),
    }));
  const first = { x: line, y: line };
  const pixels = drawStrokes(canvas, moved(first))?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray();
  let [mass, x, y] = [0, 0, 0];
  for (let i = 0; i < pixels.length / 4; i++) {
    const value = pixels[4 * i] as number;
    [mass, x, y] = [mass + value, x + value * ((i % width) + 0.5), y + value * (Math.floor(i / width) + 0.5)];
  }
  drawStrokes(canvas, moved({ x: first.x + width / 2 - x / mass, y: first.y + height / 2 - y / mass }));
  return canvas;
}
