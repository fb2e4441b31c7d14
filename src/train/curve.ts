/** The errors of training runs over the epochs, as in figure 5 of the paper (McDonnell, ICLR 2018). */
import type { ChartOption, ChartSize } from '../chart/chart.ts';
import type { LogEntry } from './log.ts';

export interface Run {
  readonly name: string;
  readonly log: readonly LogEntry[];
}

const WIDTH = 860;
const HEIGHT = 480;
const COLORS = ['#1f5fc4', '#c2410c', '#15803d', '#7e22ce', '#a16207', '#be185d'];

/**
 * Test errors at the end of every cycle and of the run, with their values, and training errors epoch by epoch; epochs on a logarithmic
 * axis, since each cycle is twice as long as the one before.
 */
export function curveChart(runs: readonly Run[]): { option: ChartOption; size: ChartSize } {
  const last = Math.max(2, ...runs.flatMap(({ log }) => log.map(({ epoch }) => epoch)));
  const best = new Map<number, number>();
  for (const [epoch, error] of runs.flatMap(({ log }) => testErrors(log))) best.set(epoch, Math.min(error, best.get(epoch) ?? 1));
  const ticks = [...new Set([1, ...best.keys()])].sort((a, b) => a - b);
  const option: ChartOption = {
    title: {
      text: runs.length === 1 ? (runs[0]?.name ?? '') : 'Training',
      subtext:
        'solid: error on the test images at the end of every cycle of the learning rate, and of the run\ndashed: error on the augmented training images of every epoch',
      subtextStyle: { lineHeight: 17 },
      left: 16,
      top: 12,
    },
    legend: { show: runs.length > 1, data: runs.map(({ name }) => name), bottom: 8 },
    grid: { left: 56, right: 32, top: 92, bottom: runs.length > 1 ? 60 : 32, containLabel: true },
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
      const color = COLORS[i % COLORS.length] as string;
      return [
        {
          name,
          type: 'line' as const,
          color,
          symbol: 'circle',
          symbolSize: 8,
          lineStyle: { width: 2 },
          label: { show: true, color, textBorderColor: '#fff', textBorderWidth: 3, formatter: labelOf },
          data: testPoints(log, best),
        },
        {
          name: `${name}, training`,
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

/** The value of the best run of an epoch stands below its point, those of the others above theirs. */
function testPoints(log: readonly LogEntry[], best: ReadonlyMap<number, number>) {
  return testErrors(log).map(([epoch, error]) => ({
    value: [epoch, error * 100],
    label: { position: error === best.get(epoch) ? ('bottom' as const) : ('top' as const) },
  }));
}

function testErrors(log: readonly LogEntry[]): [epoch: number, error: number][] {
  return log.flatMap((entry) => (entry.kind === 'test' ? [[entry.epoch, entry.testError]] : []));
}

function labelOf({ value }: { value: unknown }): string {
  return (value as [epoch: number, error: number])[1].toFixed(2);
}
