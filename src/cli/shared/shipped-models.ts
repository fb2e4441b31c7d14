/** The networks shipped with the package: their names work wherever a network file does. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearest } from '../../data/nearest-name.ts';
import { InputError } from '../../errors.ts';

/** In the package it lies three folders above this one in the sources and four above it in dist. */
const FOLDER = fileURLToPath(new URL(`../../../${import.meta.url.endsWith('.ts') ? '' : '../'}models`, import.meta.url));

/**
 * Path of a network that the user named: a file, or the model file of a network that the package ships.
 * @throws InputError for a name that is neither, but close to one of these
 *
 *     networkPath('cifar-10-wrn-20-1') // '.../models/cifar-10-wrn-20-1/model.safetensors'
 */
export function networkPath(named: string): string {
  if (existsSync(named)) return named;
  const names = existsSync(FOLDER) ? readdirSync(FOLDER) : [];
  if (names.includes(named)) return join(FOLDER, named, 'model.safetensors');
  const advice = nearest(named, names);
  if (advice) throw new InputError('file', named, `expected a file or a network shipped with the package, got neither${advice}`);
  return named;
}
