/** `train --teacher`: opens the teacher. */
import { existsSync } from 'node:fs';
import { openTeacher } from '../../../eval/teacher.ts';
import type { Closable } from '../../closable.ts';
import { inFile } from '../../data/files/file-error.ts';
import { InputError } from '../../errors.ts';
import type { Teacher } from '../../train/batches/teacher.ts';
import type { Checkpoint } from '../../train/run/checkpoint.ts';
import { networkPath } from '../shared/shipped-models.ts';
import { readNetwork } from '../shared/source.ts';

/** A teacher, and the user's name for it. */
export interface NamedTeacher {
  readonly teacher: Teacher & Closable;
  readonly name: string;
}

/**
 * Opens the teacher that the user names, or the one of the checkpoint.
 * @returns undefined without a teacher
 * @throws InputError when its file is missing or holds no image classifier
 */
export async function openNamedTeacher(named: string | undefined, checkpoint: Checkpoint | undefined): Promise<NamedTeacher | undefined> {
  const before = checkpoint?.recipe.teacher && checkpoint.plan?.teacher;
  const name = named ?? before;
  if (name === undefined) return undefined;
  if (named === undefined && !existsSync(networkPath(name)))
    throw new InputError('checkpoint', `teacher ${name}`, 'expected it there, got nothing. Use --teacher to say where it is');
  const { model, source } = await readNetwork(name);
  try {
    return { name, teacher: await openTeacher(model.bytes, { name, identity: source }) };
  } catch (error) {
    throw inFile(name, error);
  }
}
