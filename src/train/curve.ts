/** The errors of training runs over the epochs, as in figure 5 of the paper (McDonnell, ICLR 2018). */
import type { ChartOption, ChartSize } from '../chart/chart.ts';
import type { LogEntry } from './log.ts';

export interface Run {
  readonly name: string;
  readonly log: readonly LogEntry[];
}

const WIDTH = 860;
const HEIGHT = 480;
/** Pixels a character by which the font is wider than the charts' library believes. */
const EXCESS = 1.6;
const COLORS = ['#1f5fc4', '#c2410c', '#15803d', '#7e22ce', '#a16207', '#be185d'];

/**
 * Test errors at the end of every cycle, with their values, and training errors epoch by epoch; epochs on a logarithmic
 * axis, since each cycle is twice as long as the one before.
 */
export function curveChart(runs: readonly Run[]): { option: ChartOption; size: ChartSize } {
  const last = Math.max(2, ...runs.flatMap(({ log }) => log.map(({ epoch }) => epoch)));
  const tested = new Set(runs.flatMap(({ log }) => log.flatMap((entry) => (entry.kind === 'test' ? [entry.epoch] : []))));
  const ticks = [...tested.add(1)].sort((a, b) => a - b);
  const option: ChartOption = {
    title: {
      text: runs.length === 1 ? (runs[0]?.name ?? '') : 'Training',
      subtext:
        'error on the test images at the end of every cycle of the learning rate, and on the augmented training images of every epoch',
      left: 16,
      top: 12,
    },
    legend: { bottom: 8, itemGap: 16 + EXCESS * Math.max(...runs.map(({ name }) => name.length)) },
    grid: { left: 56, right: 32, top: 84, bottom: 56, containLabel: true },
    xAxis: {
      type: 'log',
      logBase: 2,
      min: 1,
      max: last,
      name: 'epochs',
      nameLocation: 'middle',
      nameGap: 28,
      axisTick: { customValues: ticks },
      axisLabel: { customValues: ticks, formatter: (epoch: number) => `${Math.round(epoch)}` },
      splitLine: { show: false },
    },
    yAxis: { type: 'value', name: 'error, %', nameLocation: 'middle', nameGap: 36, min: 0 },
    series: runs.flatMap(({ name, log }, i) => {
      const prefix = runs.length === 1 ? '' : `${name}, `;
      const color = COLORS[i % COLORS.length] as string;
      return [
        {
          name: `${prefix}test`,
          type: 'line' as const,
          color,
          symbol: 'circle',
          symbolSize: 8,
          lineStyle: { width: 2 },
          label: { show: true, color, textBorderColor: '#fff', textBorderWidth: 3, formatter: labelOf },
          data: testPoints(log),
        },
        {
          name: `${prefix}training`,
          type: 'line' as const,
          color,
          symbol: 'emptyCircle',
          symbolSize: 4,
          lineStyle: { width: 1, type: 'dashed' as const },
          data: log.flatMap((entry) => (entry.kind === 'epoch' ? [[entry.epoch, entry.trainError * 100]] : [])),
        },
      ];
    }),
  };
  return { option, size: { width: WIDTH, height: HEIGHT } };
}

/** The label of a point stands on the side where the training error is not. */
function testPoints(log: readonly LogEntry[]) {
  const training = new Map(log.flatMap((entry) => (entry.kind === 'epoch' ? [[entry.epoch, entry.trainError] as const] : [])));
  return log.flatMap((entry) => {
    if (entry.kind !== 'test') return [];
    const position = (training.get(entry.epoch) ?? 0) < entry.testError ? ('top' as const) : ('bottom' as const);
    return [{ value: [entry.epoch, entry.testError * 100], label: { position } }];
  });
}

function labelOf({ value }: { value: unknown }): string {
  return (value as [epoch: number, error: number])[1].toFixed(2);
}
