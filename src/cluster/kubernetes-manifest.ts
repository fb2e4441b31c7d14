/**
 * The manifest of an indexed Job and of the Job that merges.
 * Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/
 */
import { isAbsolute, relative, resolve } from 'node:path';
import { UsageError } from '../errors.ts';
import { shellCommand } from './shell.ts';
import { type EngineOptions, lastName, type Work } from './work.ts';

/** Shell expression for the number of a task. Kubernetes counts from 0. */
const NUMBER = '"$((JOB_COMPLETION_INDEX + 1))"';
/** Name of the command line in the image. */
const PROGRAM = 'wrn-onnx';
/** Memory of the merge, which holds one tally and one part at a time. */
const LAST_BYTES = 2 ** 28;

interface Mount {
  readonly claim: string;
  readonly path: string;
}

/** @throws UsageError when the image or the volume of a path is missing */
export function checkManifest(work: Work, { image, volume = [] }: EngineOptions): void {
  if (image === undefined)
    throw new UsageError('--on kubernetes needs --image, the name of an image built from the Dockerfile of the project');
  const mounts = volume.map(mountOf);
  const outside = [work.folder, ...work.reads].find((path) => !mounts.some((mount) => isInside(path, mount.path)));
  if (outside !== undefined)
    throw new UsageError(
      `${outside}: expected it on a volume of the cluster. Mount one with --volume CLAIM:PATH, at the same path as here`,
    );
}

function mountOf(text: string): Mount {
  const [, claim, path] = /^([a-z0-9]([a-z0-9.-]*[a-z0-9])?):(\/.*)$/.exec(text)?.filter((_, i) => i !== 2) ?? [];
  if (claim === undefined || path === undefined)
    throw new UsageError(
      `--volume ${text}: expected CLAIM:PATH, the name of a persistent volume claim and an absolute path, such as data:/mnt/data`,
    );
  return { claim, path: resolve(path) };
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way);
}

/** Words that YAML 1.1 reads as something other than text. */
const YAML_WORD = /^(true|false|yes|no|on|off|y|n|null)$/i;
/** A text as YAML. JSON strings are valid YAML. */
const text = (value: string): string => (/^[A-Za-z/][\w./-]*$/.test(value) && !YAML_WORD.test(value) ? value : JSON.stringify(value));

/** The manifest. It lists all tasks; those that have a result end at once. */
export function manifest(work: Work, options: EngineOptions): string {
  const count = work.count;
  const memory = work.memoryBytes === undefined ? [] : [`memory: ${Math.ceil(work.memoryBytes / 2 ** 20)}Mi`];
  const tasks = job(work.name, options, {
    spec: [
      `completions: ${count}`,
      `parallelism: ${count}`,
      'completionMode: Indexed',
      `backoffLimitPerIndex: ${options.retries}`,
      `maxFailedIndexes: ${count}`,
      'podFailurePolicy:',
      '  rules:',
      '    - action: FailIndex # bad input: again the same',
      '      onExitCodes: { operator: In, values: [1, 2, 3] }',
      '    - action: Ignore # evicted or preempted',
      '      onPodConditions: [{ type: DisruptionTarget, status: "True" }]',
    ],
    container: 'task',
    command: `exec ${shellCommand([PROGRAM, ...work.task], NUMBER)}`,
    requests: [`cpu: ${work.cpus}`, ...memory],
    work,
  });
  if (!work.last) return tasks;
  const parts = shellCommand([`${work.folder}/parts`]);
  const wait = `until [ "$(ls ${parts} | grep -c '^[0-9]*\\.json$')" = ${count} ]; do sleep 5; done`;
  const last = job(lastName(work), options, {
    spec: [`backoffLimit: ${options.retries}`],
    container: 'merge',
    command: `${wait}; exec ${shellCommand([PROGRAM, ...work.last])}`,
    requests: ['cpu: 100m', `memory: ${LAST_BYTES / 2 ** 20}Mi`],
    work,
  });
  return `${tasks}---\n${last}`;
}

interface Parts {
  readonly spec: readonly string[];
  readonly container: string;
  readonly command: string;
  readonly requests: readonly string[];
  readonly work: Work;
}

function job(name: string, { image = '', volume = [] }: EngineOptions, { spec, container, command, requests, work }: Parts): string {
  const mounts = volume.map(mountOf);
  const environment = Object.entries(work.environment);
  return [
    'apiVersion: batch/v1',
    'kind: Job',
    `metadata: { name: ${name} }`,
    'spec:',
    ...indent(2, spec),
    '  template:',
    '    spec:',
    '      restartPolicy: Never',
    ...(work.user ? [`      securityContext: { runAsUser: ${work.user.uid}, runAsGroup: ${work.user.gid} }`] : []),
    '      containers:',
    `        - name: ${container}`,
    `          image: ${text(image)}`,
    `          workingDir: ${text(work.cwd)}`,
    `          command: [sh, -c, ${JSON.stringify(command.replaceAll('$', '$$$$'))}]`, // Kubernetes reads $$ as $
    ...(environment.length > 0
      ? ['          env:', ...environment.map(([key, value]) => `            - { name: ${key}, value: ${JSON.stringify(value)} }`)]
      : []),
    `          resources: { requests: { ${requests.join(', ')} } }`,
    '          volumeMounts:',
    ...mounts.map(({ path }, i) => `            - { name: volume-${i}, mountPath: ${text(path)} }`),
    '      volumes:',
    ...mounts.map(({ claim }, i) => `        - { name: volume-${i}, persistentVolumeClaim: { claimName: ${text(claim)} } }`),
    '',
  ].join('\n');
}

function indent(spaces: number, lines: readonly string[]): string[] {
  return lines.map((line) => ' '.repeat(spaces) + line);
}
