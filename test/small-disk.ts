/** Disks of a few megabytes, for what happens when one is full or read-only: tmpfs, which root can mount on Linux. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';

/** @returns the folder where it is mounted, or undefined. */
function mount(options: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'wrn-onnx-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
}

function unmount(folder: string): void {
  execFileSync('umount', [folder]);
  rmSync(folder, { recursive: true });
}

const probe = mount('size=64k');
if (probe !== undefined) unmount(probe);

/** Runs a test with a disk of its own; where none can be mounted it is skipped and says so. */
export function testOnDisk(options: string, name: string, body: (folder: string) => Promise<void>, timeout?: number): void {
  if (probe === undefined) test.skip(`${name} [needs root on Linux, to mount a disk]`, () => {});
  else
    test(
      name,
      async () => {
        const folder = mount(options) as string;
        try {
          await body(folder);
        } finally {
          unmount(folder);
        }
      },
      timeout,
    );
}
