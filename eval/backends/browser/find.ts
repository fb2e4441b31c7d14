/** Finds the user's browser, and the software Vulkan driver that Chromium ships. */
import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { type Environment, processEnvironment } from '../../../src/environment.ts';
import { DeviceError } from '../../../src/errors.ts';

const commands = ['google-chrome', 'google-chrome-stable', 'chromium', 'chromium-browser', 'chrome', 'microsoft-edge', 'msedge'];
const applications = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
];
const ICD = 'vk_swiftshader_icd.json';
/** Folders of the programs that the `chromium` command of distributions starts. */
const libraryFolders = ['/usr/lib/chromium', '/usr/lib64/chromium-browser', '/opt/google/chrome', '/opt/microsoft/msedge'];

/** Path of Chrome, Chromium or Edge: `chosen`, or the first found by name; undefined when there is none. */
export function findBrowser(chosen?: string, env: Environment = processEnvironment()): string | undefined {
  if (chosen !== undefined) return isExecutable(chosen) ? chosen : undefined;
  const folders = (env['PATH'] ?? '').split(delimiter);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const onPath = commands.flatMap((command) => folders.map((folder) => join(folder, command + suffix)));
  return [...onPath, ...applications].find(isExecutable);
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
 * @throws DeviceError when no Chromium with the driver is installed
 */
export function swiftShader(chosen?: string, env: Environment = processEnvironment()): Record<string, string> {
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
    return true;
  } catch {
    return false;
  }
}
