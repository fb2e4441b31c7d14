/** Kubernetes: an indexed Job, and a Job that waits for its results. */
import { DeviceError, UsageError } from '../errors.ts';
import type { Engine, Look, Submitted } from './engine.ts';
import { checkManifest, manifest } from './kubernetes-manifest.ts';
import { type Ended, runProgram } from './program.ts';
import { lastName, type Work } from './work.ts';

const MISSING = 'Install kubectl and set up access to a cluster, or take the manifest of --dry-run to one that has both';

export const kubernetes: Engine = {
  options: ['image', 'volume'],
  check: checkManifest,
  render: manifest,

  async find(work) {
    const found = await statusOf(work);
    return found && !found.over ? submitted(work) : undefined;
  },

  async start(work, options) {
    // a Job that has ended keeps its name
    accepted(await kubectl(['delete', 'job', work.name, lastName(work), '--ignore-not-found']));
    accepted(await kubectl(['create', '--filename=-'], manifest(work, options)));
    return submitted(work);
  },
};

const kubectl = (args: readonly string[], input?: string) =>
  runProgram('kubectl', args, { missing: MISSING, ...(input === undefined ? {} : { input }) });

/** Messages of kubectl when it finds no cluster. */
const NO_CLUSTER = /connection|refused|unable to connect|no such host|timeout|unauthorized|localhost:8080|server could not find/i;

/** @throws DeviceError when no cluster answers; UsageError when it refuses the job */
function accepted(ended: Ended): Ended {
  if (ended.code === 0) return ended;
  const lines = ended.stderr.trim().split('\n');
  const line = (lines.at(-1) ?? '').replace(/^error: /, '');
  if (NO_CLUSTER.test(ended.stderr))
    throw new DeviceError(
      `Kubernetes: expected a cluster, got ${line}. Take the manifest of --dry-run to one, or check with kubectl cluster-info`,
    );
  throw new UsageError(`Kubernetes refuses the job: ${line}`);
}

/** Status of a Job. Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/#JobStatus */
interface Status {
  readonly active: number;
  readonly waiting: number;
  readonly over: boolean;
  /** Numbers of the tasks that failed for good. */
  readonly failed: readonly number[];
}

/** Status of the Job of this work; undefined when there is no such Job. */
async function statusOf(work: Work): Promise<Status | undefined> {
  const { stdout } = accepted(await kubectl(['get', 'job', work.name, '--ignore-not-found', '--output=json']));
  return stdout.trim() === '' ? undefined : readStatus(stdout);
}

/** Reads a Job as `kubectl get --output=json` prints it. */
export function readStatus(json: string): Status {
  const { status = {} } = JSON.parse(json) as { status?: Readonly<Record<string, unknown>> };
  const {
    active = 0,
    ready = 0,
    conditions = [],
    failedIndexes = '',
  } = status as {
    active?: number;
    ready?: number;
    conditions?: readonly { type: string; status: string }[];
    failedIndexes?: string;
  };
  const over = conditions.some(({ type, status: is }) => is === 'True' && ['Complete', 'Failed'].includes(type));
  return { active: ready, waiting: active - ready, over, failed: numbersOf(failedIndexes).map((index) => index + 1) };
}

/** `1,3-5` as numbers: 1, 3, 4, 5. */
function numbersOf(listed: string): number[] {
  return listed
    .split(',')
    .filter(Boolean)
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
}

function submitted(work: Work): Submitted {
  const name = `job ${work.name}`;
  return {
    name,
    async look(): Promise<Look> {
      const { active, waiting, over, failed } = (await statusOf(work)) ?? { active: 0, waiting: 0, over: true, failed: [] };
      return {
        running: over ? 0 : active,
        waiting: over ? 0 : Math.max(waiting, active === 0 ? 1 : 0),
        reason: '',
        ended: new Map(failed.map((task) => [task, `failed, see kubectl logs --selector=batch.kubernetes.io/job-name=${work.name}`])),
      };
    },
    leave: async () => `${name} keeps running. To stop: kubectl delete job ${work.name} ${lastName(work)}`,
  };
}
