/** Backends whose sessions answer as a test says, so that it sees what is asked of them, in which order. */
import { vi } from 'vitest';
import type { OpenSession } from '../../eval/backends/backend.ts';
import { type BackendName, backends, tableName } from '../../eval/backends/table.ts';
import { closable } from '../../src/closable.ts';

/** Replaces `open` of a backend until `vi.restoreAllMocks`. */
export function fakeBackend(name: BackendName, open: (model: Uint8Array) => Partial<OpenSession> & Pick<OpenSession, 'run'>): void {
  vi.spyOn(backends[tableName(name)], 'open').mockImplementation(async (model) =>
    closable<OpenSession>({
      loadSeconds: 1,
      detail: 'fake',
      time: async () => ({ seconds: 1, shapes: {} }),
      peakMemoryBytes: async () => undefined,
      close: async () => {},
      ...open(model),
    }),
  );
}
