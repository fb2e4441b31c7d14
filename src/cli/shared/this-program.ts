/** How this command line is started again, here or on another machine. */
import { builtFile } from '../../package-files.ts';

/** Node and the script. */
export const programWords: readonly string[] = [process.execPath, builtFile('node/cli.js')];

/** Variables that decide where data is found. */
export function environmentOf(): Record<string, string> {
  const { WRN_ONNX_DATA } = process.env;
  return WRN_ONNX_DATA ? { WRN_ONNX_DATA } : {};
}

/** The user of this process; undefined on Windows. */
export function userOf(): { uid: number; gid: number } | undefined {
  return process.getuid && process.getgid ? { uid: process.getuid(), gid: process.getgid() } : undefined;
}
