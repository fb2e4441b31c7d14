/** What the tests of pages share: opening a page in a real browser, and what every page must hold there. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { expect } from 'vitest';
import { findBrowser } from '../../../eval/backends/browser/find.ts';

export const executablePath = findBrowser();

export function launch(): Promise<Browser> {
  return chromium.launch({ ...(executablePath && { executablePath }), args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] });
}

/** Opens the page from its text alone; fails when it asks for anything or complains. */
export async function open(browser: Browser, options: BrowserContextOptions, text: string): Promise<Page> {
  const tab = await browser.newPage(options);
  const heard: string[] = [];
  tab.on('request', (request) => request.url().startsWith('data:') || heard.push(request.url()));
  tab.on('console', (message) => heard.push(message.text()));
  tab.on('pageerror', (error) => heard.push(error.message));
  await tab.setContent(text, { waitUntil: 'load' });
  expect(heard).toEqual([]);
  return tab;
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  at(x: number, y: number): [red: number, green: number, blue: number];
}

export async function decode(png: Uint8Array): Promise<Picture> {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [0, 1, 2].map((c) => data[(y * info.width + x) * 3 + c]) as [number, number, number];
  return { width: info.width, height: info.height, at };
}

export const phone = { viewport: { width: 360, height: 740 } };
export const desk = { viewport: { width: 1280, height: 800 } };
/** A4 less margins of 15 mm, at 96 pixels an inch. */
export const paper = { viewport: { width: 680, height: 1000 } };

/** Elements that end to the right of the column that all sections share, but for those in a region that scrolls. */
export function beyond(tab: Page): Promise<string[]> {
  return tab.evaluate(() => {
    const right = document.querySelector('main')?.getBoundingClientRect().right ?? 0;
    return [...document.querySelectorAll('body *')]
      .filter((e) => !e.closest('.scroll table') && e.getBoundingClientRect().right > right + 0.5)
      .map((e) => e.outerHTML.slice(0, 100));
  });
}

/** Texts of charts whose contrast with the page is below 4.5 to 1 (WCAG 2, 1.4.3), which axe does not look at. */
export function faintChartTexts(tab: Page): Promise<string[]> {
  return tab.evaluate(() => {
    const luminance = (colour: string) => {
      const [r = 0, g = 0, b = 0] = (colour.match(/[\d.]+/g) ?? []).map((n) => {
        const c = Number(n) / 255;
        return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = luminance(getComputedStyle(document.body).backgroundColor);
    return [...document.querySelectorAll('svg text')]
      .filter((e) => e.checkVisibility())
      .filter((e) => {
        const own = luminance(getComputedStyle(e).fill);
        return (Math.max(own, paper) + 0.05) / (Math.min(own, paper) + 0.05) < 4.5;
      })
      .map((e) => e.textContent ?? '');
  });
}

/** The part of axe-core that is used here. */
interface Axe {
  run(): Promise<Record<'violations' | 'passes', { id: string; nodes: { html: string }[] }[]>>;
}

/**
 * The rules of axe-core hold: contrast, headings of tables, alternatives of images and many more.
 * @param rules that must have found something to examine
 */
export async function expectAccessible(tab: Page, rules: readonly string[]): Promise<void> {
  await tab.evaluate(axe);
  const { violations, passes } = await tab.evaluate(() => (globalThis as unknown as { axe: Axe }).axe.run());
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
  const examined = passes.map(({ id }) => id);
  expect(examined).toEqual(expect.arrayContaining([...rules]));
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
