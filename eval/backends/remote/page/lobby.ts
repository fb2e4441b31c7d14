/** Runs in the browser of a device that has joined: takes calls from the lobby and carries each out in a frame with the page code. */
import type { Page } from '../../browser/page.ts';
import type { Answer, Asking, Call, Join, Status, Turn } from '../protocol.ts';
import { browserName } from './browser-name.ts';

const KEY = 'wrn-onnx-device';
/** Milliseconds between attempts to reach the lobby. */
const RETRY = 1000;

const asking: Asking = { key: tabKey(), instance: randomKey() };

async function main(): Promise<void> {
  const name = [browserName(navigator.userAgent), gpuName()].filter(Boolean).join(', ');
  const join: Join = { ...asking, name };
  const { device } = (await post('join', join)) as { device: number };
  show('device', `Device ${device}: ${name}`);
  await keepAwake();
  for (;;) {
    const { call, status } = (await post('next', asking)) as Turn;
    showStatus(status);
    if (status.ended) return end('');
    if (!call) continue;
    const answer: Answer = { ...asking, id: call.id, ...(await carryOut(call)) };
    await post('answer', answer);
  }
}

async function carryOut(call: Call): Promise<{ value: unknown } | { error: string }> {
  try {
    return { value: await answerTo(call) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** Frames by session, with what their page answered to `open`. */
const frames = new Map<number, { readonly element: HTMLIFrameElement; readonly page: Page; readonly opened: ReturnType<Page['open']> }>();

async function answerTo({ session, open, method, args }: Call): Promise<unknown> {
  if (method === 'close') {
    frames.get(session)?.element.remove();
    frames.delete(session);
    return null;
  }
  const frame = frames.get(session) ?? (await openFrame(session, open));
  const opened = await frame.opened;
  if (method === 'open') return opened;
  if (method === 'run') return frame.page.run(...(args as Parameters<Page['run']>));
  return frame.page.time(...(args as Parameters<Page['time']>));
}

async function openFrame(session: number, options: Call['open']) {
  const element = document.createElement('iframe');
  element.hidden = true;
  element.src = 'frame.html';
  const loaded = new Promise((resolve) => element.addEventListener('load', resolve, { once: true }));
  document.body.append(element);
  await loaded; // modules have run by then
  const { wrn: page } = element.contentWindow as unknown as { wrn?: Page };
  if (!page) throw new Error('the page code did not load');
  const frame = { element, page, opened: page.open(options) };
  frames.set(session, frame);
  frame.opened.catch(() => {
    element.remove();
    frames.delete(session);
  });
  return frame;
}

/** Asks the lobby, again and again while it cannot be reached. A refusal ends the page with its sentence. */
async function post(path: string, body: object): Promise<unknown> {
  for (;;) {
    let response: Response;
    let text: string;
    try {
      response = await fetch(path, { method: 'POST', body: JSON.stringify(body) });
      text = await response.text();
    } catch {
      show('connection', 'The connection is lost. Trying again; is wrn-onnx eval still running?');
      await new Promise((resolve) => setTimeout(resolve, RETRY));
      continue;
    }
    show('connection', '');
    if (response.ok) return JSON.parse(text);
    throw new Error(new DOMParser().parseFromString(text, 'text/html').querySelector('p')?.textContent ?? `refused: ${response.status}`);
  }
}

function showStatus({ text, done, total }: Status): void {
  show('status', total > 0 ? `${text}\n${done.toLocaleString()} of ${total.toLocaleString()} images` : text);
  const bar = document.getElementById('progress') as HTMLProgressElement;
  bar.hidden = total === 0;
  bar.max = Math.max(1, total);
  bar.value = done;
}

function end(sentence: string): void {
  if (sentence) show('status', sentence);
  show('hint', 'You can close this page.');
}

function show(id: string, text: string): void {
  const element = document.getElementById(id);
  if (element && element.textContent !== text) element.textContent = text; // else screen readers would say it again
}

/** Phones darken the screen and stop the page otherwise; browsers allow it to secure pages only. */
async function keepAwake(): Promise<void> {
  await navigator.wakeLock?.request('screen').catch(() => {});
}

/** What WebGL says; empty where there is no GPU or it is not told. */
function gpuName(): string {
  const gl = document.createElement('canvas').getContext('webgl');
  const names = gl?.getExtension('WEBGL_debug_renderer_info');
  const renderer = gl && names ? String(gl.getParameter(names.UNMASKED_RENDERER_WEBGL)) : '';
  return renderer.replace(/^ANGLE \([^,]+, (.*), [^,]*\)$/, '$1'); // Chrome adds how it draws
}

function tabKey(): string {
  try {
    const key = sessionStorage.getItem(KEY) ?? randomKey();
    sessionStorage.setItem(KEY, key);
    return key;
  } catch {
    return randomKey(); // storage is switched off
  }
}

function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

await main().catch((error: unknown) => end(error instanceof Error ? error.message : String(error)));
