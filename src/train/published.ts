/** Errors that the paper published, to put beside those of a run. Source: McDonnell, ICLR 2018, tables 1 to 5. */

export interface Experiment {
  /** Catalog name of the data set. */
  readonly data: string;
  readonly depth: number;
  readonly width: number;
  readonly bits: 1 | 32;
  readonly cutout: boolean;
  readonly epochs: number;
}

/** A network, and its errors in percent with 1 and with 32 bits per weight. */
interface Row extends Omit<Experiment, 'bits' | 'epochs'> {
  /** Only after so many epochs; otherwise the figure of the whole training. */
  readonly epochs?: number;
  readonly percent: { readonly 1: number; readonly 32?: number };
}

const row = (data: string, depth: number, width: number, one: number, full: number | undefined, more: Partial<Row> = {}): Row => ({
  data,
  depth,
  width,
  cutout: false,
  percent: { 1: one, ...(full === undefined ? {} : { 32: full }) },
  ...more,
});

const rows: readonly Row[] = [
  row('mnist', 20, 4, 0.81, 0.71, { epochs: 1 }),
  row('mnist', 20, 4, 0.36, 0.28, { epochs: 6 }),
  row('mnist', 20, 4, 0.27, undefined, { epochs: 14 }),
  row('cifar-10', 20, 4, 6.13, 5.02),
  row('cifar-10', 20, 10, 4.72, 4.22),
  row('cifar-10', 26, 10, 4.46, 4.23),
  row('cifar-10', 20, 4, 5.34, 4.39, { cutout: true }),
  row('cifar-10', 20, 10, 3.92, 3.46, { cutout: true }),
  row('cifar-10', 26, 10, 3.41, 3.54, { cutout: true }),
  row('cifar-100', 20, 4, 23.87, 21.53),
  row('cifar-100', 20, 10, 19.35, 18.76),
  row('cifar-100', 26, 10, 18.94, 18.63),
  row('cifar-100', 20, 4, 23.74, 20.48, { cutout: true }),
  row('cifar-100', 20, 10, 18.51, 17.19, { cutout: true }),
  row('cifar-100', 26, 10, 18.5, 17.22, { cutout: true }),
  row('svhn', 20, 4, 1.93, 1.75),
  row('imagenet32', 20, 4, 56.08, 46.61),
  row('imagenet32', 20, 10, 44.27, 39.96),
  row('imagenet32', 20, 15, 41.26, 38.9),
  row('imagenet', 18, 2.5, 31.03, 26.92), // one centre crop
];

/** The published error of an experiment, 0 to 1; undefined if the paper has none. */
export function publishedError({ bits, ...experiment }: Experiment): number | undefined {
  const found = rows.find(({ percent: _, epochs = experiment.epochs, ...row }) => {
    const asked: Omit<Experiment, 'bits'> = experiment;
    return Object.entries({ ...row, epochs }).every(([key, value]) => asked[key as keyof typeof asked] === value);
  });
  const percent = found?.percent[bits];
  return percent === undefined ? undefined : percent / 100;
}
