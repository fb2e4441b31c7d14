/** The training loop. Every epoch ends with a checkpoint, every cycle with a test and a new error curve. */
import { randomStream } from '../data/random.ts';
import { InputError, TrainingError } from '../errors.ts';
import { runName } from '../network/config.ts';
import type { Model } from '../network/model.ts';
import type { Provenance } from '../network/provenance.ts';
import { significant } from '../numbers.ts';
import { hasPackage } from '../packages.ts';
import { type TaughtBatch, trainingBatches } from './batches/batches.ts';
import { ask, tryTeacher } from './batches/teacher.ts';
import { type BatchOptions, batchesPerEpoch, identify, type TrainingSet, trainingSet } from './batches/training-set.ts';
import { checkFit, checkSameImages, type TrainingJob } from './check-fit.ts';
import { classifier, errorRate, measureMoments, type Watch } from './network/inference.ts';
import { Learner } from './network/step.ts';
import { toModel } from './network/to-model.ts';
import { initialWeights, learned, type StoredMoments } from './network/variables.ts';
import type { Plan, Progress } from './run/checkpoint.ts';
import type { LogEntry } from './run/log.ts';
import type { RunFolder } from './run/run-folder.ts';
import { isCycleEnd, learningRate } from './schedule.ts';
import type { TensorFlow } from './tf/tensorflow.ts';

export interface TrainOptions extends TrainingJob {
  /** The user's name for the data source. Stored so that the run can be resumed. */
  readonly source: string;
  /** The user's name for the teacher, if there is one. */
  readonly teacherName?: string | undefined;
  readonly folder: RunFolder;
  /** Stops after the current step, with a checkpoint. The event loop runs between steps. */
  readonly signal: AbortSignal;
  readonly onStep?: (report: StepReport) => void;
  readonly onEntry?: (entry: LogEntry) => void;
  /** Progress of a pass over images without training: `moments` or `test`. */
  readonly onPass?: (what: string, images: number, total: number) => void;
}

export interface StepReport {
  readonly epoch: number;
  /** Batches completed since the start; `steps` is their number at the end of the run. */
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  /** Only with a teacher. */
  readonly teacherLoss: number | undefined;
  /** Error rate over the images of this epoch so far. */
  readonly error: number;
  readonly rate: number;
}

/** Key of the random stream for the initial weights. `training-set.ts` has the other keys. */
const PURPOSE_WEIGHTS = 0;

/**
 * Trains a network up to the end of an epoch.
 * @returns the model, with its test accuracy in `about`
 * @throws UsageError or InputError when network, data and checkpoint do not fit together. `signal.reason` when it is aborted, and
 *   InputError when an image cannot be read; both save a checkpoint first. TrainingError when the loss or the weights are no
 *   longer finite; the last checkpoint stays
 */
export async function train(tf: TensorFlow, options: TrainOptions): Promise<Model> {
  const { epochs, source, teacherName, checkpoint, folder, recipe, signal } = options;
  checkFit(options);
  const log = folder.readLog();
  const set = await trainingSet(options.train, recipe.augmentation, signal);
  const plan: Plan = { epochs, source, images: identify(set), ...(teacherName !== undefined && { teacher: teacherName }) };
  checkSameImages(plan, checkpoint?.plan);
  if (options.teacher && recipe.teacher) {
    for await (const batch of trainingBatches(set, recipe, 0, 1)) await tryTeacher(options.teacher, recipe.teacher, signal, batch);
  }
  const run = new Run(tf, options, set, plan, log);
  try {
    return await run.toEnd();
  } finally {
    run.dispose();
  }
}

class Run {
  readonly #tf: TensorFlow;
  readonly #options: TrainOptions;
  readonly #set: TrainingSet;
  readonly #plan: Plan;
  readonly #learner: Learner;
  readonly #batchOptions: BatchOptions;
  readonly #perEpoch: number;
  readonly #log: LogEntry[];
  #progress: Progress;
  /** Moments of the current weights; undefined if the weights changed since the last measurement. */
  #moments: StoredMoments | undefined;

  constructor(tf: TensorFlow, options: TrainOptions, set: TrainingSet, plan: Plan, logged: readonly LogEntry[]) {
    const { config, recipe, checkpoint } = options;
    const weights = checkpoint?.weights ?? initialWeights(learned(config), randomStream(recipe.seed, PURPOSE_WEIGHTS));
    const momenta = checkpoint?.momenta ?? weights.map(({ length }) => new Float32Array(length));
    this.#tf = tf;
    this.#options = options;
    this.#set = set;
    this.#plan = plan;
    this.#learner = new Learner(tf, config, recipe, weights, momenta);
    this.#batchOptions = { seed: recipe.seed, batch: recipe.batch, augmentation: recipe.augmentation };
    this.#perEpoch = batchesPerEpoch(set, recipe.batch);
    this.#progress = checkpoint?.progress ?? { step: 0, epochLoss: 0, epochErrors: 0 };
    // repeat what a killed run logged after its last checkpoint, and a test that is only in the log or only in the checkpoint
    const { step } = this.#progress;
    const log = logged.filter((entry) => entry.step <= step);
    this.#moments = log.some((entry) => entry.kind === 'test' && entry.step === step) ? checkpoint?.moments : undefined;
    this.#log = log.filter((entry) => entry.kind === 'epoch' || entry.step < step || this.#moments);
  }

  async toEnd(): Promise<Model> {
    const { epochs, recipe } = this.#options;
    for (;;) {
      const epoch = this.#progress.step / this.#perEpoch;
      if (epoch > 0 && !this.#moments && (epoch === epochs || isCycleEnd(recipe.schedule, epoch))) await this.#test(epoch);
      if (epoch >= epochs) {
        // needed when a resumed run has nothing left to do
        this.#options.folder.writeLog(this.#log);
        await this.#drawCurve();
        return this.#model();
      }
      await this.#trainTo(Math.floor(epoch) + 1);
    }
  }

  dispose(): void {
    this.#learner.dispose();
  }

  /** Trains up to the end of an epoch, then saves a checkpoint. */
  async #trainTo(epoch: number): Promise<void> {
    const { recipe } = this.#options;
    const perEpoch = this.#perEpoch;
    const { teacher, signal } = this.#options;
    const teach = teacher && recipe.teacher && ask.bind(undefined, teacher, recipe.teacher, signal);
    const start = { step: this.#progress.step, time: performance.now() };
    try {
      const batches = trainingBatches(this.#set, this.#batchOptions, start.step, epoch * perEpoch, teach);
      for await (const batch of batches) this.#step(batch, epoch);
    } catch (error) {
      if (!(error instanceof TrainingError)) this.#save(); // the steps before are fine
      if (!(error instanceof InputError)) throw error;
      const done = `Repair or remove the file, then continue with --resume: ${steps(this.#progress.step)} are saved`;
      throw new InputError(error.format, error.where, `${error.problem}. ${done}`, { cause: error });
    }
    const { step, epochLoss, epochErrors, epochTeacherLoss } = this.#progress;
    this.#note({
      kind: 'epoch',
      epoch,
      step,
      loss: epochLoss / perEpoch,
      trainError: epochErrors / (perEpoch * recipe.batch),
      rate: learningRate(recipe.schedule, (step - 1) / perEpoch),
      imagesPerSecond: ((step - start.step) * recipe.batch * 1000) / (performance.now() - start.time),
      tensors: this.#tf.memory().numTensors,
      rssBytes: process.memoryUsage.rss(),
      math: recipe.math ?? 'float32',
      ...(epochTeacherLoss !== undefined && { teacherLoss: epochTeacherLoss / perEpoch }),
    });
    this.#progress = { step, epochLoss: 0, epochErrors: 0 };
    this.#save();
  }

  #step({ number, imagesNHWC, labels, targets }: TaughtBatch, epoch: number): void {
    const { recipe, epochs, signal, onStep } = this.#options;
    const { channels, height, width } = this.#set;
    const perEpoch = this.#perEpoch;
    signal.throwIfAborted();
    const rate = learningRate(recipe.schedule, number / perEpoch);
    const shape = [recipe.batch, height, width, channels];
    const { loss, teacherLoss, errors, finite } = this.#learner.step(imagesNHWC, shape, labels, rate, targets);
    const where = `step ${number + 1} (epoch ${epoch}, learning rate ${significant(rate)})`;
    if (!Number.isFinite(loss)) this.#diverged(`the loss became ${loss} at ${where}`);
    if (!finite) this.#diverged(`the weights are not finite after ${where}`);
    const { epochLoss, epochErrors, epochTeacherLoss = 0 } = this.#progress;
    this.#progress = {
      step: number + 1,
      epochLoss: epochLoss + loss,
      epochErrors: epochErrors + errors,
      ...(teacherLoss !== undefined && { epochTeacherLoss: epochTeacherLoss + teacherLoss }),
    };
    this.#moments = undefined;
    const images = (number + 1 - (epoch - 1) * perEpoch) * recipe.batch;
    onStep?.({ epoch, step: number + 1, steps: epochs * perEpoch, loss, teacherLoss, error: this.#progress.epochErrors / images, rate });
  }

  async #test(epoch: number): Promise<void> {
    const { config, recipe, test, signal, onPass } = this.#options;
    const { weights } = this.#learner;
    const batches = Math.min(recipe.momentBatches, this.#perEpoch);
    const watch = (what: string): Watch => ({ signal, onProgress: (images, total) => onPass?.(what, images, total) });
    const moments = await measureMoments(this.#tf, config, weights, this.#set, this.#batchOptions, batches, watch('moments'));
    const network = classifier(this.#tf, config, weights, moments);
    try {
      const testError = await errorRate(network, test, recipe.batch, watch('test'));
      this.#moments = moments;
      this.#note({ kind: 'test', epoch, step: this.#progress.step, testError });
      await this.#drawCurve();
      this.#save();
    } finally {
      network.dispose();
    }
  }

  #diverged(what: string): never {
    const left = this.#options.folder.hasCheckpoint ? 'The last checkpoint is from an earlier step' : 'There is no earlier checkpoint';
    throw new TrainingError(`${what}. ${left}`);
  }

  #note(entry: LogEntry): void {
    this.#log.push(entry);
    this.#options.onEntry?.(entry);
  }

  #save(): void {
    const { config, recipe, folder } = this.#options;
    const { weights, momenta } = this.#learner.read();
    folder.writeLog(this.#log); // before the checkpoint: a log that is ahead can be cut, one that is behind cannot be completed
    folder.saveCheckpoint({
      config,
      recipe,
      progress: this.#progress,
      weights,
      momenta,
      moments: this.#moments,
      plan: this.#plan,
      about: this.#about(),
    });
  }

  /** Writes the curve as SVG, and as PNG if sharp is installed. */
  async #drawCurve(): Promise<void> {
    const { config, folder } = this.#options;
    const { curveChart } = await import('./curve.ts');
    const svg = curveChart([{ name: runName(config, this.#set.name), log: this.#log }]);
    folder.write('curve.svg', Buffer.from(svg));
    if (!hasPackage('sharp')) return;
    const { toPng } = await import('../chart/png.ts');
    folder.write('curve.png', await toPng(svg));
  }

  /** Provenance of the current weights. Their accuracy is known only at the end of a cycle. */
  #about(): Provenance {
    const set = this.#set;
    const last = this.#moments && this.#log.findLast((entry) => entry.kind === 'test');
    return {
      dialect: 'wrn-onnx',
      dataset: set.name,
      ...(set.classLabels && { classLabels: set.classLabels }),
      ...(last && { testAccuracy: 1 - last.testError }),
    };
  }

  #model(): Model {
    return toModel(this.#options.config, this.#learner.read().weights, this.#moments as StoredMoments, this.#about());
  }
}

function steps(count: number): string {
  return `${count} step${count === 1 ? '' : 's'}`;
}
