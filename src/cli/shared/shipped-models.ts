/** Networks by name: those shipped with the package, and published ones that were downloaded. A name works wherever a file does. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { nearest } from '../../data/nearest-name.ts';
import { publishedNetwork, publishedNetworks } from '../../data/networks.ts';
import { defaultDataFolder } from '../../data/store/data-folder.ts';
import { networkFile } from '../../data/store/network.ts';
import { InputError } from '../../errors.ts';
import { packageFile } from '../../package-files.ts';

const FOLDER = packageFile('models');

/** Names of the networks that the package ships, in alphabetical order. */
export function shippedNames(): string[] {
  return existsSync(FOLDER) ? readdirSync(FOLDER).sort() : [];
}

/** Path of a file in the folder of a shipped network. */
export function shippedFile(name: string, file = 'model.safetensors'): string {
  return join(FOLDER, name, file);
}

/**
 * Path of a network that the user named: a file, the model file of a network that the package ships, or the file of a published one.
 * @throws InputError for a published network that is not here, and for an unknown name that is similar to a known one
 *
 *     networkPath('cifar-10-wrn-20-1') // '.../models/cifar-10-wrn-20-1/model.safetensors'
 */
export function networkPath(named: string): string {
  if (existsSync(named)) return named;
  const names = shippedNames();
  if (names.includes(named)) return shippedFile(named);
  const published = publishedNetwork(named);
  if (published) {
    const path = networkFile(published, defaultDataFolder());
    if (path !== undefined) return path;
    throw new InputError('network', named, `expected it on this machine, got nothing. Get it with: wrn-onnx models get ${named}`);
  }
  const advice = nearest(named, [...names, ...publishedNetworks.map(({ name }) => name)]);
  if (advice) throw new InputError('file', named, `expected a file or the name of a network (wrn-onnx models), got neither${advice}`);
  return named;
}

/** Catalog name of the data set of a published network that the user named. */
export function dataSetOf(named: string): string | undefined {
  return existsSync(named) ? undefined : publishedNetwork(named)?.dataset;
}
