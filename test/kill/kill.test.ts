/**
 * Commands killed at random moments: what they leave is the old result or the new one, whole, and the next run clears the rest.
 * `npm run kill-test -- --minutes 30` does it for longer. The moments follow from the seed, as far as a machine repeats itself.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { externalFiles } from '../../converters/onnx/external-data.ts';
import { decodeModel, encodeModel, type TensorProto } from '../../proto/onnx.ts';
import { cli, run } from '../cli/run.ts';
import { model, node, noise, signs, value } from '../converters/onnx/foreign-model.ts';
import { randomFrom } from '../fuzz/mutate.ts';
import { testWith } from '../shared.ts';
import { smallData, smallNetwork } from '../train/run.ts';
import { hasTensorFlow } from '../train/tensorflow.ts';

const { WRN_KILL_MINUTES, WRN_KILL_SEED = '1' } = process.env;
const TESTS = 4;
const milliseconds = (Number(WRN_KILL_MINUTES ?? 10) * 60_000) / TESTS;
/** In the suite a few; else as many as the time allows. */
const inSuite = WRN_KILL_MINUTES === undefined;
const KILLS = inSuite ? 2 : Number.POSITIVE_INFINITY;
const timeout = milliseconds + 300_000;

const ours = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'wrn-kill-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);
const threads = { TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1' }; // sums have one order
/** What they leave in the folder for temporary files is looked at, too. */
const env = { ...process.env, ...threads, TMPDIR: at('temporary'), WRN_ONNX_DATA: at('data') };
beforeAll(() => mkdirSync(at('temporary')));

let killed = 0;
let finished = 0;
afterAll(() => {
  if (WRN_KILL_MINUTES !== undefined) console.log(`kill-test: ${killed} kills, ${finished} ended before, seed ${WRN_KILL_SEED}`);
});

/** Runs a command and kills it after a while, unless it ends before. @returns its exit code; null when it was killed. */
async function killAfter(args: readonly string[], wait: number, signal: NodeJS.Signals): Promise<number | null> {
  const child = spawn(process.execPath, [cli, ...args], { env, stdio: 'ignore' });
  const timer = setTimeout(() => child.kill(signal), wait);
  const status = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
  if (status === null || status === 130) killed++;
  else finished++;
  return status === 130 ? null : status;
}

/** Kills commands that replace one file again and again, looks at what is there after each, and at last lets one end. */
async function replaceAndKill(file: string, commands: readonly (readonly string[])[], check: () => void = () => {}): Promise<void> {
  const random = randomFrom(Number(WRN_KILL_SEED) + file.length);
  const start = performance.now();
  const whole = new Set<string>();
  const finish = async (args: readonly string[] = []) => {
    expect(await run(args, { env })).toMatchObject({ status: 0, stderr: '' });
    whole.add(digest(file));
  };
  for (const args of commands) await finish(args);
  const took = (performance.now() - start) / commands.length;
  for (let i = 0; i < KILLS && performance.now() - start < milliseconds; i++) {
    const args = commands[i % commands.length] as readonly string[];
    await killAfter(args, random() * took * 1.1, random() < 0.7 ? 'SIGKILL' : 'SIGTERM');
    expect(whole).toContain(digest(file));
    check();
  }
  await finish(commands[0]);
  expect(whole.size).toBe(commands.length);
  check();
}

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const leftovers = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('.'));

test(
  'export: the file is one of the two, whole',
  async () => {
    mkdirSync(at('export'));
    const file = at('export/net.onnx');
    const commands = ['fashion-mnist-wrn-20-1', 'cifar-10-wrn-20-1'].map((name) => [
      'export',
      ours(`models/${name}/model.safetensors`),
      '-o',
      file,
      '--force',
    ]);
    await replaceAndKill(file, commands);
    expect(leftovers(at('export'))).toEqual([]);
  },
  timeout,
);

test(
  'pack: the model has its own data beside it',
  async () => {
    mkdirSync(at('pack/out'), { recursive: true });
    const file = at('pack/out/net.onnx');
    const commands = ['one', 'another'].map((name) => {
      const tensors = [signs('w', [16, 8, 3, 3]), { ...noise(name, [512, 16, 3, 3]), name: 'v' }];
      writeFileSync(at(`pack/${name}.bin`), Buffer.concat(tensors.map(({ raw_data }) => raw_data as Uint8Array)));
      const nodes = [node('Conv', ['x', 'w'], 'h'), node('Conv', ['h', 'v'], 'y')];
      const parts = { nodes, tensors: external(tensors, `${name}.bin`), inputs: [value('x', ['batch', 8, 9, 9])] };
      writeFileSync(at(`pack/${name}.onnx`), encodeModel(model(parts)));
      return ['pack', at(`pack/${name}.onnx`), '-o', file, '--force'];
    });
    await replaceAndKill(file, commands, () => {
      for (const name of externalFiles(decodeModel(readFileSync(file)))) {
        expect(name).toContain(digest(at(`pack/out/${name}`)).slice(0, 16));
      }
    });
    expect(leftovers(at('pack/out'))).toEqual([]);
    expect(readdirSync(at('pack/out'))).toHaveLength(2);
  },
  timeout,
);

/** A model with the values of its tensors in a file beside it. */
function external(tensors: readonly TensorProto[], location: string): TensorProto[] {
  let offset = 0;
  return tensors.map(({ raw_data, ...tensor }) => {
    const entries = { location, offset: String(offset), length: String(raw_data?.length) };
    offset += raw_data?.length ?? 0;
    return { ...tensor, data_location: 1, external_data: Object.entries(entries).map(([key, text]) => ({ key, value: text })) };
  });
}

testWith(
  'data/mnist/t10k-labels-idx1-ubyte.gz',
  'data get: a data set is there whole, or not at all',
  async (file) => {
    const get = ['data', 'get', 'mnist', '--from', dirname(file)];
    const random = randomFrom(Number(WRN_KILL_SEED));
    const begin = performance.now();
    expect(await run(get, { env })).toMatchObject({ status: 0 });
    const took = performance.now() - begin;
    const set = at('data/mnist');
    const whole = readdirSync(set).map((name) => digest(join(set, name)));
    for (let i = 0; i < KILLS && performance.now() - begin < milliseconds; i++) {
      rmSync(set, { recursive: true, force: true });
      await killAfter(get, random() * took * 1.1, random() < 0.7 ? 'SIGKILL' : 'SIGTERM');
      if (existsSync(set)) expect(readdirSync(set).map((name) => digest(join(set, name)))).toEqual(whole);
    }
    rmSync(set, { recursive: true, force: true });
    expect(await run(get, { env })).toMatchObject({ status: 0 });
    expect(readdirSync(at('data'))).toEqual(['mnist']);
  },
  timeout,
);

const train = 'train: what goes on from the checkpoint ends as what was never killed, bit for bit';
if (!hasTensorFlow) test.skip(`${train} [needs tfjs-node: npm run setup:tfjs]`, () => {});
else
  test(
    train,
    async () => {
      const random = randomFrom(Number(WRN_KILL_SEED));
      const args = ['train', '--data', await smallData(inSuite ? 80 : 200), ...smallNetwork, '--epochs', inSuite ? '1' : '2'];
      const begin = performance.now();
      expect(await run([...args, '-o', at('whole')], { env })).toMatchObject({ status: 0 });
      const took = performance.now() - begin;
      const result = digest(at('whole/model.safetensors'));
      for (let round = 0; round === 0 || (!inSuite && performance.now() - begin < milliseconds); round++) {
        const folder = at(`run-${round}`);
        for (let kills = 0; ; kills++) {
          const going = existsSync(join(folder, 'checkpoint.safetensors'));
          const command = going ? ['train', '--resume', '-o', folder] : [...args, '-o', folder];
          const patience = kills < (inSuite ? 1 : 3) ? random() * took : took * 100;
          if ((await killAfter(command, patience, random() < 0.7 ? 'SIGKILL' : 'SIGTERM')) === 0) break;
          if (!existsSync(folder) || !readdirSync(folder).some((name) => name.endsWith('.safetensors'))) continue;
          cpSync(folder, `${folder}-copy`, { recursive: true });
          expect(await run(['inspect', join(`${folder}-copy`, 'checkpoint.safetensors')], { env })).toMatchObject({ status: 0 });
          rmSync(`${folder}-copy`, { recursive: true });
        }
        expect(digest(join(folder, 'model.safetensors'))).toBe(result);
        expect(existsSync(join(folder, 'lock'))).toBe(false);
        rmSync(folder, { recursive: true });
      }
    },
    timeout,
  );
