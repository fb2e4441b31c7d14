/** Measurements as a chart: a bar a file, in groups of one setting. */
import type { ChartOption, ChartSize } from '../../src/chart/chart.ts';
import { countOfThreads, type Measurement } from './bench.ts';

/** Images a second, with the spread of the runs; the chart grows with the number of bars. */
export function benchChart(measurements: readonly Measurement[]): { option: ChartOption; size: ChartSize } {
  const settings = [...new Set(measurements.map(settingOf))];
  const files = [...new Set(measurements.map(({ file }) => file))];
  const find = (file: string, setting: string) => measurements.find((one) => one.file === file && settingOf(one) === setting);
  const option: ChartOption = {
    title: {
      text: 'Images a second',
      subtext: 'median of the runs; longer is better; beside each bar its speed against the first file',
      left: 16,
      top: 12,
    },
    legend: { bottom: 8, data: files },
    grid: { left: 16, right: 110, top: 76, bottom: 52, containLabel: true },
    xAxis: { type: 'value' },
    yAxis: { type: 'category', data: settings, inverse: true, axisTick: { show: false } },
    series: files.map((file) => ({
      name: file,
      type: 'bar',
      barMaxWidth: 26,
      label: { show: true, position: 'right' },
      data: settings.map((setting) => {
        const one = find(file, setting);
        const text = one ? `${one.imagesPerSecond.toPrecision(3)}  (${one.speedup.toFixed(2)}x)` : '';
        return { value: one?.imagesPerSecond ?? Number.NaN, label: { formatter: () => text } };
      }),
    })),
  };
  return { option, size: { width: 860, height: 150 + settings.length * (24 + 30 * files.length) } };
}

function settingOf({ backend, threads, batch }: Measurement): string {
  return `${backend}${threads ? `, ${countOfThreads(threads)}` : ''}, batch ${batch}`;
}
