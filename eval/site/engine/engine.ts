/** The page's worker: one network, so that computing never holds up the page. It ends, and frees all memory, with its worker. */
import { elements } from '../../../src/formats/shape.ts';
import { fromPicture, type Picture } from '../../../src/onebit/picture.ts';
import { noise } from '../../runtime/noise.ts';
import { addDifference, countTopK, noDifference, relativeError, top1 } from '../../tally/metrics.ts';
import { judge } from '../../tally/thresholds.ts';
import { readExcerpt, readLogits } from '../excerpt.ts';
import type { CheckFacts, NetworkFacts } from '../facts.ts';
import { download, type Progress } from './download.ts';
import type { Answer, Ask, Calls, CheckResult, Opened, Reply } from './protocol.ts';
import { open, type Running } from './running.ts';

let network: NetworkFacts;
let running: Running;

const answers: { readonly [K in keyof Calls]: (ask: Calls[K]['ask'], progress: Progress) => Promise<Calls[K]['give']> } = {
  async open(facts, progress): Promise<Opened> {
    network = facts;
    running = await open(facts, progress);
    await running.run(noise(sizeOf(facts)), 1); // the first run also compiles
    const { runtime, threads } = running;
    return { runtime, threads };
  },
  async classify(picture: Picture): Promise<Answer> {
    const { channels, height, width } = network.input;
    const seen = await fromPicture(picture, [channels, height, width]);
    if ('close' in picture) picture.close();
    const start = performance.now();
    const logits = await running.run(seen, 1);
    return { logits, seen, milliseconds: performance.now() - start };
  },
  async time(): Promise<number> {
    const image = noise(sizeOf(network));
    const times: number[] = [];
    const end = performance.now() + LONGEST_TIMING;
    while (times.length < RUNS && (times.length < 3 || performance.now() < end)) {
      const start = performance.now();
      await running.run(image, 1);
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;
  },
  check,
};

/** Runs of a timing, and the milliseconds after which it takes no more of them. */
const [RUNS, LONGEST_TIMING] = [15, 1500];

const sizeOf = ({ input: { channels, height, width } }: NetworkFacts) => channels * height * width;

async function check(facts: CheckFacts, progress: Progress): Promise<CheckResult> {
  const [excerpt, recorded] = await Promise.all([
    download(facts.images, facts.bytes, () => {}).then(readExcerpt),
    download(facts.logits, facts.bytes, () => {}).then(readLogits),
  ]);
  const { imagesNCHW, labels, shape } = excerpt;
  const size = elements(shape.slice(1));
  const { classes } = network;
  let [right, alike, milliseconds, difference] = [0, 0, 0, noDifference];
  for (let from = 0; from < labels.length; from += running.batch) {
    const count = Math.min(running.batch, labels.length - from);
    const start = performance.now();
    const logits = await running.run(imagesNCHW.subarray(from * size, (from + count) * size), count);
    milliseconds += performance.now() - start;
    const expected = recorded.subarray(from * classes, (from + count) * classes);
    const decided = top1(expected, classes);
    right += countTopK(logits, labels.subarray(from, from + count), classes, 1);
    alike += top1(logits, classes).filter((one, i) => one === decided[i]).length;
    difference = addDifference(difference, logits, expected);
    progress((from + count) / labels.length);
  }
  const images = labels.length;
  const relError = relativeError(difference);
  const pass = judge({ agreement: alike / images, relError }, facts.thresholds) === 'pass';
  return { images, right, alike, relError, pass, milliseconds };
}

/** Asks are answered in order. */
let last: Promise<void> = Promise.resolve();

addEventListener('message', ({ data: { kind, value } }: MessageEvent<Ask>) => {
  const reply = (message: Reply) => postMessage(message);
  last = last.then(async () => {
    try {
      const answer = answers[kind] as (ask: unknown, progress: Progress) => Promise<Calls[keyof Calls]['give']>;
      reply({ value: await answer(value, (progress) => reply({ progress })) });
    } catch (error) {
      reply({ error: error instanceof Error ? error.message : String(error) });
    }
  });
});
