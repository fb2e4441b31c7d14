/** Where a browser is looked for, on systems that this one is not. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { browserPaths, findBrowser, swiftShader } from '../../../../eval/backends/browser/find.ts';
import { DeviceError } from '../../../../src/errors.ts';
import { folderWith } from '../../../data/crafted.ts';

test('Windows: the search path by whatever case, quoted and relative entries, and each folder for programs', () => {
  const env = {
    Path: '"C:\\Tools, mine";;.\\bin;D:\\b',
    PROGRAMFILES: 'C:\\Program Files',
    'PROGRAMFILES(X86)': 'C:\\Program Files (x86)',
    LOCALAPPDATA: 'C:\\Users\\Ä B\\AppData\\Local',
  };
  const paths = browserPaths(env, 'win32', 'C:\\Users\\Ä B');
  expect(paths.slice(0, 2)).toEqual(['C:\\Tools, mine\\google-chrome.exe', 'D:\\b\\google-chrome.exe']);
  for (const path of [
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Users\\Ä B\\AppData\\Local\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Users\\Ä B\\AppData\\Local\\Chromium\\Application\\chrome.exe',
    'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
  ])
    expect(paths).toContain(path);
  expect(paths.every((path) => /^[CD]:\\/.test(path))).toBe(true);
});

test('Windows without the variables for programs', () => {
  expect(browserPaths({}, 'win32', 'C:\\Users\\u')).toEqual([]);
});

test('macOS: for all users and for one', () => {
  const paths = browserPaths({ PATH: '/usr/bin' }, 'darwin', '/Users/u');
  expect(paths).toContain('/usr/bin/chromium');
  expect(paths).toContain('/Applications/Google Chrome.app/Contents/MacOS/Google Chrome');
  expect(paths).toContain('/Users/u/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge');
});

test('Linux: the search path alone; never the folder that one happens to be in, nor a folder of that name', async () => {
  expect(browserPaths({ PATH: ':bin:/a' }, 'linux', '/home/u').every((path) => path.startsWith('/a/'))).toBe(true);
  const folder = await folderWith();
  mkdirSync(join(folder, 'one/chromium'), { recursive: true });
  mkdirSync(join(folder, 'two'));
  writeFileSync(join(folder, 'two/chromium'), '', { mode: 0o755 });
  const env = { PATH: [join(folder, 'one'), join(folder, 'two')].join(process.platform === 'win32' ? ';' : ':') };
  if (process.platform === 'linux') expect(findBrowser(undefined, env)).toBe(join(folder, 'two/chromium'));
});

test.each(['win32', 'darwin'] as const)('no software rendering for webgpu on %s: an error that says what to use', (platform) => {
  expect(() => swiftShader(undefined, {}, platform)).toThrow(DeviceError);
  expect(() => swiftShader(undefined, {}, platform)).toThrow(/Use browser-webgpu/);
});
