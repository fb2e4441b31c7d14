/** Finds the user's browser, and the software Vulkan driver that Chromium ships. */
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, posix, win32 } from 'node:path';
import { type Environment, processEnvironment } from '../../../src/environment.ts';
import { DeviceError } from '../../../src/errors.ts';

const commands = ['google-chrome', 'google-chrome-stable', 'chromium', 'chromium-browser', 'chrome', 'microsoft-edge', 'msedge'];
/** Below the folders in which macOS and Windows install programs, for all users or for one. */
const applications = {
  darwin: ['Google Chrome', 'Chromium', 'Microsoft Edge'].map((name) => [`${name}.app`, 'Contents', 'MacOS', name]),
  win32: [
    ['Google', 'Chrome', 'Application', 'chrome.exe'],
    ['Chromium', 'Application', 'chrome.exe'],
    ['Microsoft', 'Edge', 'Application', 'msedge.exe'],
  ],
};
const ICD = 'vk_swiftshader_icd.json';
/** Folders of the programs that the `chromium` command of distributions starts. */
const libraryFolders = ['/usr/lib/chromium', '/usr/lib64/chromium-browser', '/opt/google/chrome', '/opt/microsoft/msedge'];

/** Where a browser may be, the best first: by the names of commands, then where systems install programs. */
export function browserPaths(env: Environment, platform: NodeJS.Platform, home: string): string[] {
  const { join, delimiter, isAbsolute } = platform === 'win32' ? win32 : posix;
  const search = env[platform === 'win32' ? (Object.keys(env).find((name) => /^path$/i.test(name)) ?? 'PATH') : 'PATH'] ?? '';
  const folders = search.split(delimiter).map((folder) => folder.replace(/^"(.*)"$/, '$1'));
  const suffix = platform === 'win32' ? '.exe' : '';
  const onPath = commands.flatMap((command) => folders.filter(isAbsolute).map((folder) => join(folder, command + suffix)));
  const installed = {
    darwin: ['/Applications', join(home, 'Applications')],
    win32: [env['PROGRAMFILES'], env['PROGRAMFILES(X86)'], env['LOCALAPPDATA']],
  };
  if (platform !== 'darwin' && platform !== 'win32') return onPath;
  const roots = installed[platform].flatMap((root) => root ?? []);
  return [...onPath, ...roots.flatMap((root) => applications[platform].map((path) => join(root, ...path)))];
}

/** Path of Chrome, Chromium or Edge: `chosen`, or the first found by name; undefined when there is none. */
export function findBrowser(chosen?: string, env: Environment = processEnvironment()): string | undefined {
  if (chosen !== undefined) return isExecutable(chosen) ? chosen : undefined;
  return browserPaths(env, process.platform, homedir()).find(isExecutable);
}

/**
 * The same, or an error that says what to install.
 * @throws DeviceError
 */
export function requireBrowser(chosen?: string): string {
  const path = findBrowser(chosen);
  if (path !== undefined) return path;
  const problem = chosen === undefined ? 'no browser found' : `no browser at ${chosen}`;
  throw new DeviceError(
    `${problem}. Install Chrome, Chromium (Debian: apt-get install chromium) or Edge, or give its path with --browser PATH`,
  );
}

/**
 * Environment in which onnxruntime-node's WebGPU finds SwiftShader, the software Vulkan driver of Chromium.
 * @throws DeviceError when no Chromium with the driver is installed, and on other systems than Linux, where WebGPU uses no Vulkan
 */
export function swiftShader(
  chosen?: string,
  env: Environment = processEnvironment(),
  platform: NodeJS.Platform = process.platform,
): Record<string, string> {
  if (platform !== 'linux')
    throw new DeviceError(`webgpu is rendered in software on Linux only, this is ${platform}. Use browser-webgpu with --software-gpu`);
  const browser = findBrowser(chosen, env);
  const beside = browser === undefined ? [] : [dirname(realpathSync(browser))];
  const folder = [...beside, ...libraryFolders].find((path) => existsSync(join(path, ICD)));
  if (folder === undefined)
    throw new DeviceError(`no software Vulkan driver (${ICD}) found. Install Chromium (Debian: apt-get install chromium)`);
  const path = env['LD_LIBRARY_PATH'];
  return { VK_DRIVER_FILES: join(folder, ICD), LD_LIBRARY_PATH: path ? `${folder}${delimiter}${path}` : folder }; // the loader, libvulkan, is in the same folder
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
