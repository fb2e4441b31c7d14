/** ONNX models on disk: a file, and the external data beside it. */

import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, readSync, realpathSync, rmSync, statSync } from 'node:fs';
import { copyFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { sha256 } from '#builtin';
import { externalFiles, type ReadExternal } from '../../../converters/onnx/external-data.ts';
import type { ModelFile } from '../../../converters/onnx/pack/pack.ts';
import { decodeModel } from '../../../proto/onnx.ts';
import { makeScratch, sweep } from '../../data/files/leftovers.ts';
import { InputError, UsageError } from '../../errors.ts';
import { type OutputOptions, requireWritable, writeOutput } from './output-file.ts';

/** What `dataNameOf` adds to the name of the model. */
const DATA = /^[0-9a-f]{16}\.data$/;

/** File name for the external data of a model file. It depends on the content, so that a model never finds the data of another one. */
export function dataNameOf(model: string, data: Uint8Array): string {
  return `${basename(model)}.${sha256(data).slice(0, 16)}.data`;
}

/** Reads external data of the model at `path`: from its folder and the folders inside, nowhere else. */
export function externalReader(path: string): ReadExternal {
  return (location, offset, length) => {
    const folder = realpathSync(dirname(path));
    const file = resolveInside(folder, location);
    const handle = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)); // Windows has no such flag, and no such pipes
    try {
      const { size } = fstatSync(handle);
      if (offset + length > size) {
        throw new InputError('onnx', `external data ${location}`, `expected ${length} bytes at ${offset}, got a file of ${size} bytes`);
      }
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const count = readSync(handle, bytes, done, length - done, offset + done);
        if (count === 0)
          throw new InputError(
            'onnx',
            `external data ${location}`,
            'expected a file that does not change while it is read, got a shorter one',
          );
        done += count;
      }
      return bytes;
    } finally {
      closeSync(handle);
    }
  };
}

/** A model could name any file on this machine; only files in its folder are read, links followed. */
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
  if (!statSync(file).isFile()) throw new InputError('onnx', where, 'expected a regular file, got a folder, device or pipe');
  return file;
}

/**
 * Writes a model and its external data, if any, after `verify` has passed. Even if the process is killed, the model in the folder
 * has its own data beside it: the name of the data depends on its content, and the model is renamed last.
 * @throws UsageError as `writeOutput`, and for a device or pipe when there is external data.
 */
export async function writeModel(output: string, { model, data }: ModelFile, options: Required<OutputOptions>): Promise<void> {
  const target = requireWritable(output, options);
  if (target.kind === 'stream') {
    if (data) throw new UsageError(`${output}: the model's external data needs a file beside it. Name a regular file`);
    return writeOutput(output, model, options);
  }
  const folder = dirname(target.path);
  const old = externalFilesOf(target.path);
  if (data) await writeWithData(output, folder, { model, data }, options);
  else await writeOutput(output, model, options);
  removeOldData(folder, output, old, data && dataNameOf(output, data));
}

async function writeWithData(
  output: string,
  folder: string,
  { model, data }: Required<ModelFile> & { readonly data: Uint8Array },
  options: Required<OutputOptions>,
): Promise<void> {
  const name = dataNameOf(output, data);
  await writeOutput(output, model, {
    ...options,
    async verify(temporary) {
      const scratch = makeScratch(folder);
      const clean = () => rmSync(scratch, { recursive: true, force: true });
      process.once('exit', clean); // an interrupt ends the process
      try {
        const [path, dataPath] = [join(scratch, basename(output)), join(scratch, name)];
        await copyFile(temporary, path);
        await writeFile(dataPath, data);
        await options.verify(path);
        requireWritable(output, options);
        await rename(dataPath, join(folder, name));
      } finally {
        clean();
        process.off('exit', clean);
      }
    },
  });
}

/** Removes the data of the replaced model and leftovers of killed processes, unless another process is writing here. */
function removeOldData(folder: string, output: string, old: readonly string[], kept: string | undefined): void {
  if (sweep(folder)) return;
  const stem = `${basename(output)}.`;
  const isOurs = (name: string) => name.startsWith(stem) && DATA.test(name.slice(stem.length));
  const left = readdirSync(folder).filter((name) => isOurs(name) || (name === `${stem}data` && old.includes(name)));
  for (const name of left) if (name !== kept) rmSync(join(folder, name), { force: true });
}

/** Names of the external files of the model at this path. */
function externalFilesOf(path: string): string[] {
  try {
    return externalFiles(decodeModel(readFileSync(path)));
  } catch {
    return []; // no file, or not a model
  }
}
