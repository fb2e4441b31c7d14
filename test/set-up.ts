import { hasPython, python } from './interop/environment.ts';

/** Before all tests: the Python environment, since tests decide when they are collected whether they have one. */
export default async function setUp(): Promise<void> {
  if (hasPython) await python().catch((error: Error) => console.error(`interop environment: ${error.message}`));
}
