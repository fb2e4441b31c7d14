/** The thread that decodes HDF5 files, one at a time, in order. */
import { parentPort } from 'node:worker_threads';
import { decodeHdf5 } from './library.ts';
import type { Request } from './thread.ts';

parentPort?.on('message', async ({ bytes, skipped }: Request) => parentPort?.postMessage(await decodeHdf5(bytes, skipped)));
