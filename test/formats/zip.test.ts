import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { isZip, readZip } from '../../src/formats/zip.ts';
import { folderWith } from '../data/crafted.ts';
import { testWithPython } from '../python.ts';
import { type ArchiveOptions, type Member, zipFile } from './zip-file.ts';

const a = { name: 'a', data: Buffer.from('alpha '.repeat(9)) };
const b = { name: 'folder/ü', data: Buffer.alloc(0) };

test.each<[string, Partial<Member>, ArchiveOptions]>([
  ['stored', {}, {}],
  ['deflated', { deflated: true }, {}],
  ['ZIP64 members', { zip64: true }, {}],
  ['a ZIP64 directory', {}, { zip64: true }],
  ['both, deflated', { zip64: true, deflated: true }, { zip64: true }],
  ['a comment', {}, { comment: 'made by hand' }],
])('%s', (_, member, archive) => {
  const bytes = zipFile([{ ...a, ...member }, b], archive);
  const zip = readZip(bytes);
  expect(isZip(bytes)).toBe(true);
  expect(zip.names).toEqual(['a', 'folder/ü']);
  expect(Buffer.from(zip.read('a') ?? [])).toEqual(a.data);
  expect(zip.read('folder/ü')).toHaveLength(0);
  expect(zip.read('constructor')).toBeUndefined();
});

testWithPython(['zipfile'], 'an archive of Python', async (python) => {
  const folder = await folderWith();
  const script = `import zipfile
with zipfile.ZipFile('python.zip', 'w') as z:
    z.writestr('stored', bytes(range(256)))
    z.writestr('deflated', b'x' * 4000, zipfile.ZIP_DEFLATED)
    with z.open('zip64', 'w', force_zip64=True) as member: member.write(b'large')
    z.writestr('lzma', b'x' * 4000, zipfile.ZIP_LZMA)`;
  execFileSync(python, ['-c', script], { cwd: folder });
  const zip = readZip(await readFile(join(folder, 'python.zip')));
  expect(zip.read('stored')).toEqual(Uint8Array.from({ length: 256 }, (_, i) => i));
  expect(Buffer.from(zip.read('deflated') ?? []).toString()).toBe('x'.repeat(4000));
  expect(Buffer.from(zip.read('zip64') ?? []).toString()).toBe('large');
  expect(() => zip.read('lzma')).toThrow('zip member lzma: expected a stored or deflated member, got method 14');
});

describe('what does not add up', () => {
  test.each<[string, Member['lie'], string]>([
    ['encryption', { flags: 1 }, 'expected no encryption, got an encrypted member'],
    ['another method', { method: 9 }, 'expected a stored or deflated member, got method 9'],
    ['another checksum', { crc: 1 }, 'expected its CRC-32, got another. The file is damaged'],
    ['a size that is too small', { size: 5 }, 'expected 5 bytes, got 54'],
    ['a stored size beyond the file', { stored: 1 << 30 }, 'expected 1073741824 bytes of member a'],
    ['an offset beyond the file', { offset: 1 << 30 }, 'expected an offset of at most'],
    ['an offset of something else', { offset: 4 }, 'member a: expected a local header, got something else'],
  ])('%s', (_, lie, message) => {
    expect(() => readZip(zipFile([{ ...a, lie: lie ?? {} }])).read('a')).toThrow(message);
  });

  test.each<[string, Uint8Array, string]>([
    ['no directory', zipFile([a]).subarray(0, 60), 'zip file: expected an end of central directory, got none. The file is truncated'],
    ['a name twice', zipFile([a, a]), 'zip member a: expected it once, got it twice'],
    ['deflated data that is not', zipFile([{ ...a, lie: { method: 8 } }]), 'zip member a: expected deflated data, got'],
  ])('%s', (_, bytes, message) => {
    expect(() => readZip(bytes).read('a')).toThrow(message);
  });
});

test('bombs stop at their limit: one member that inflates, and many that name the same bytes', () => {
  const limit = 'expected members of at most 64 times the file size, got more';
  const zeros = Buffer.alloc(1 << 24);
  expect(() => readZip(zipFile([{ name: 'a', data: zeros, deflated: true }])).read('a')).toThrow(limit);
  const said = zipFile([{ name: 'a', data: zeros, deflated: true, lie: { size: 100 } }]);
  expect(() => readZip(said).read('a')).toThrow('zip member a: expected 100 bytes, got more');

  const same = { offset: 0, stored: zeros.length, size: zeros.length, crc: crc32(zeros) };
  const others = Array.from({ length: 100 }, (_, i) => ({ name: `${i}`, data: Buffer.alloc(0), lie: same }));
  const zip = readZip(zipFile([{ name: 'a', data: zeros }, ...others]));
  expect(() => {
    for (const name of zip.names) zip.read(name);
  }).toThrow(limit);
});
