/** Colours and font of the charts: on white paper, or following the style sheet of the page that they stand in. */

/** Light colours; the page's style sheet has the dark ones beside them. The first series is the first file or run. */
export const light = {
  paper: '#fff',
  line: '#d5dae1',
  ink: '#171a1f',
  muted: '#566070',
  fail: '#b3261e',
  series: ['#1f5fc4', '#b8460b', '#0b7a5c', '#8a3fb0', '#96690a', '#b0246b'],
} as const;

export type Look = Readonly<Record<'paper' | 'line' | 'ink' | 'muted' | 'fail' | 'font', string>> & { readonly series: readonly string[] };

export const FONT = 'DejaVu Sans';

export const onPaper: Look = { ...light, font: `${FONT}, sans-serif` };

export const inPage: Look = {
  paper: 'var(--paper)',
  line: 'var(--line)',
  ink: 'var(--ink)',
  muted: 'var(--muted)',
  fail: 'var(--fail)',
  series: light.series.map((_, i) => `var(--file${i})`),
  font: 'inherit',
};
