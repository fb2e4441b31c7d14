/** ONNX models on disk: a file, and what stands in another one beside it. */
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, realpathSync, rmSync } from 'node:fs';
import { copyFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import type { ReadExternal } from '../../../converters/onnx/external-data.ts';
import type { ModelFile } from '../../../converters/onnx/pack/pack.ts';
import { InputError } from '../../errors.ts';
import { requireWritable, writeOutput } from './output-file.ts';

/** Name of the file for external data that goes with a model file. */
export function dataNameOf(model: string): string {
  return `${basename(model)}.data`;
}

/** Reads external data of the model at `path`: from its folder and those inside, nowhere else. */
export function externalReader(path: string): ReadExternal {
  return (location, offset, length) => {
    const folder = realpathSync(dirname(path));
    const file = resolveInside(folder, location);
    const handle = openSync(file, 'r');
    try {
      const { size } = fstatSync(handle);
      if (offset + length > size) {
        throw new InputError('onnx', `external data ${location}`, `expected ${length} bytes at ${offset}, got a file of ${size} bytes`);
      }
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const count = readSync(handle, bytes, done, length - done, offset + done);
        if (count === 0)
          throw new InputError('onnx', `external data ${location}`, 'expected a file that stays as it is, got a shorter one');
        done += count;
      }
      return bytes;
    } finally {
      closeSync(handle);
    }
  };
}

/** A model could name any file of this machine; only those beside it are read, links followed. */
function resolveInside(folder: string, location: string): string {
  const where = `external data ${location}`;
  if (isAbsolute(location)) throw new InputError('onnx', where, "expected a path inside the model's folder, got an absolute one");
  let file: string;
  try {
    file = realpathSync(join(folder, location));
  } catch {
    throw new InputError('onnx', where, 'expected a file beside the model, got no such file');
  }
  const path = relative(folder, file);
  if (isAbsolute(path) || path.split(/[\\/]/)[0] === '..') {
    throw new InputError('onnx', where, "expected a path inside the model's folder, got one outside");
  }
  return file;
}

/** Refuses to overwrite a model or its data, or a folder that cannot be written, before any work is done. */
export function requireWritableModel(output: string, force: boolean): void {
  requireWritable(output, force);
  requireWritable(join(dirname(output), dataNameOf(output)), force);
}

/** Writes a model and its external data, if any, once `verify` has seen them. */
export async function writeModel(
  output: string,
  { model, data }: ModelFile,
  { force, verify }: { force: boolean; verify: (path: string) => Promise<void> },
): Promise<void> {
  requireWritableModel(output, force);
  if (!data) return writeOutput(output, model, { force, verify });
  await writeOutput(output, model, {
    force,
    async verify(temporary) {
      const folder = mkdtempSync(`${temporary}-`);
      const clean = () => rmSync(folder, { recursive: true, force: true });
      process.once('exit', clean); // an interrupt ends the process
      try {
        const [path, dataPath] = [join(folder, basename(output)), join(folder, dataNameOf(output))];
        await copyFile(temporary, path);
        await writeFile(dataPath, data);
        await verify(path);
        requireWritableModel(output, force);
        await rename(dataPath, join(dirname(output), dataNameOf(output)));
      } finally {
        clean();
        process.off('exit', clean);
      }
    },
  });
}
