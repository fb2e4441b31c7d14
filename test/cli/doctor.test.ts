import { execFileSync } from 'node:child_process';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findBrowser } from '../../eval/backends/browser/find.ts';
import type { Finding } from '../../eval/doctor.ts';
import { catalogEntry } from '../../src/data/catalog.ts';
import { folderWith } from '../data/crafted.ts';
import { hasTensorFlow } from '../train/tensorflow.ts';
import { run } from './run.ts';

const browser = findBrowser();

test('doctor: what is reported as working has worked, and each missing piece says what it needs', async () => {
  const folder = await folderWith();
  await mkdir(join(folder, 'mnist'));
  for (const { name, bytes } of catalogEntry('mnist')?.files ?? []) {
    await writeFile(join(folder, 'mnist', name), '');
    await truncate(join(folder, 'mnist', name), bytes);
  }
  const result = await run(['doctor', '--format', 'json'], { env: { WRN_ONNX_DATA: folder } });
  expect(result).toMatchObject({ status: 0, stderr: '' });
  const findings: Finding[] = JSON.parse(result.stdout);
  const detail = (name: string) => findings.find((finding) => finding.name === name);

  expect(detail('node')?.detail).toContain(process.version);
  expect(detail('cpu')).toMatchObject({ area: 'machine', ok: true, detail: expect.stringContaining(`${cpus().length} cores`) });
  for (const name of ['cpu', 'wasm']) expect(findings).toContainEqual(expect.objectContaining({ area: 'backend', name, ok: true }));
  expect(detail('browser')?.ok).toBe(browser !== undefined);
  expect(detail('browser-wasm')?.ok).toBe(browser !== undefined);
  expect(findings.filter(({ area }) => area === 'backend').map(({ name }) => name)).toEqual(
    expect.arrayContaining(['cpu', 'cuda', 'webgpu', 'wasm', 'browser-wasm', 'browser-webgpu', 'browser-webgl']),
  );
  expect(detail('tfjs-node')).toMatchObject({ area: 'training', ok: hasTensorFlow });
  expect(detail('mnist')).toEqual({ area: 'data', name: 'mnist', ok: true, detail: join(folder, 'mnist') });
  expect(detail('cifar-10')).toMatchObject({ ok: false, detail: 'not on this machine. Get it with: wrn-onnx data get cifar-10' });
  for (const { ok, detail: words } of findings) {
    expect(words).not.toContain('\n');
    if (!ok) expect(words).toMatch(/[Ii]nstall|needs|Get it with/);
  }
});

test('doctor: a browser that is not there is said in every row that needs it; the rest is found', async () => {
  const { status, stdout } = await run(['doctor', '--browser', '/nowhere/chrome'], { env: { WRN_ONNX_DATA: await folderWith() } });
  expect(status).toBe(0);
  const rows = stdout.split('\n').filter((row) => row.includes('no browser at /nowhere/chrome'));
  expect(rows.map((row) => row.trim().split(/\s+/)[1])).toEqual([
    'browser',
    'browser-wasm',
    'browser-webgpu',
    'browser-webgl',
    'browser-onebit',
  ]);
  for (const row of rows) expect(row).toContain('Install Chrome, Chromium');
  expect(stdout).toMatch(/yes {2}cpu +onnxruntime-node/);
});

test.skipIf(process.platform !== 'linux')('doctor: instruction sets are those that lscpu lists', async () => {
  const { examine } = await import('../../eval/doctor.ts');
  for await (const finding of examine({ dataFolder: '/nowhere' })) {
    if (finding.name !== 'cpu') continue;
    const flags = execFileSync('lscpu', { encoding: 'utf8' });
    expect(finding.detail.includes('export 8-bit files --for cpu-amx')).toBe(/\bamx_int8\b/.test(flags));
    expect(finding.detail.includes('train --math bf16')).toBe(/\b(amx|avx512)_bf16\b/.test(flags));
    expect(finding.detail.includes('AVX2')).toBe(/\bavx2\b/.test(flags));
    expect(finding.detail.includes('AVX-512')).toBe(/\bavx512f\b/.test(flags));
    expect(finding.detail.includes('VNNI')).toBe(/\bavx512_vnni\b|\bavx_vnni\b/.test(flags));
    break;
  }
});
