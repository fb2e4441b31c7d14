import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Environment, processEnvironment } from '../../environment.ts';

/** The folder where `data get` stores data sets and where names are looked up: WRN_ONNX_DATA, or the platform's cache folder. */
export function defaultDataFolder(env: Environment = processEnvironment(), platform: NodeJS.Platform = process.platform): string {
  if (env['WRN_ONNX_DATA']) return resolve(env['WRN_ONNX_DATA']);
  return join(cacheFolder(platform, env), 'wrn-onnx', 'data');
}

function cacheFolder(platform: NodeJS.Platform, env: Environment): string {
  if (platform === 'win32') return env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  return env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
}
