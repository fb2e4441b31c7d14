/** The manifest, held to the published schema of Kubernetes, and read by kubectl. A cluster to submit to is not part of the tests. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { hasPython, python, SET_UP_TIMEOUT } from '../interop/environment.ts';

const manifest = fileURLToPath(new URL('golden/kubernetes.yaml', import.meta.url));
const exec = promisify(execFile);
const validator = { name: 'kubernetes', packages: ['kubernetes-validate==1.37.0'] };
/** The first version with everything that the manifest uses on by default, and a new one. */
const VERSIONS = ['1.30.0', '1.37.0'];

const schema = 'every field is in the schema of Kubernetes, strictly';
if (!hasPython) test.skip(`${schema} [needs python3 with venv]`, () => {});
else
  test(
    schema,
    async () => {
      const program = join(dirname(await python(validator)), 'kubernetes-validate');
      for (const version of VERSIONS) await exec(program, ['--strict', '--quiet', '--kubernetes-version', version, manifest]);
      const folder = mkdtempSync(join(tmpdir(), 'wrn-manifest-'));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      writeFileSync(join(folder, 'other.yaml'), readFileSync(manifest, 'utf8').replace('backoffLimitPerIndex', 'backoffLimitPerTask'));
      const refused = { stdout: expect.stringContaining("'backoffLimitPerTask' was unexpected") };
      await expect(exec(program, ['--strict', join(folder, 'other.yaml')])).rejects.toMatchObject(refused);
    },
    SET_UP_TIMEOUT,
  );

const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
const client = 'kubectl reads the manifest and keeps its words';
if (!hasKubectl) test.skip(`${client} [needs kubectl]`, () => {});
else
  test(client, async () => {
    const { stdout } = await exec('kubectl', ['label', '--local', '--filename', manifest, 'a=b', '--output=json']);
    expect(stdout).toContain('"backoffLimitPerIndex": 2');
    // what a container's shell gets once Kubernetes has read $$ as $
    const [tasks] = stdout.split(/\n(?=\{)/).map((json) => JSON.parse(json));
    const [, , command] = tasks.spec.template.spec.containers[0].command as string[];
    const script = (command as string).replaceAll('$$', '$').replace('exec wrn-onnx', `printf '%s\\n'`);
    const { stdout: words } = await exec('sh', ['-c', script], { env: { PATH: process.env['PATH'], JOB_COMPLETION_INDEX: '4' } });
    expect(words.split('\n')).toEqual([
      'eval',
      '../../net $1.onnx',
      '--data',
      'imagenet',
      '--threads',
      '4',
      '--shard',
      '5/64',
      '-o',
      `/shared/it's a "result", 100%`,
      '',
    ]);
  });
