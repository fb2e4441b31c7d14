// Starts Slurm on this machine: a controller and several nodes of one slot on the loopback interface, all in one temporary
// folder with a key of their own, and stops them by their process numbers. For tests and for bench/cluster.mjs.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
const runs = (program, ...args) => spawnSync(program, args, { env: { ...process.env, PATH } }).status === 0;

/** The first program that is not installed. */
export const missing = Object.entries({ slurmctld: '-V', slurmd: '-V', munged: '-V' }).find(([name, flag]) => !runs(name, flag))?.[0];
export const canHide = runs('unshare', '--mount', 'true');

export async function startSlurm(nodes, hidden) {
  const folder = mkdtempSync(join(tmpdir(), 'wrn-slurm-'));
  const at = (name) => join(folder, name);
  const conf = at('slurm.conf');
  const env = { ...process.env, PATH, SLURM_CONF: conf };
  const daemons = new Map();
  const start = (name, program, args) => {
    const child = spawn(program, args, { env, stdio: 'ignore', detached: true });
    daemons.set(name, child);
    return child;
  };
  const command = (name, ...args) => execFileSync(name, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const until = async (what, holds) => {
    for (let tries = 0; tries < 300; tries++, await sleep(100)) if (holds()) return;
    throw new Error(`Slurm: ${what}. ${readFileSync(at('slurmctld.log'), 'utf8').slice(-2000)}`);
  };

  mkdirSync(at('state'));
  mkdirSync(at('munge'), { mode: 0o700 });
  writeFileSync(at('munge/key'), randomBytes(128), { mode: 0o600 });
  const names = Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
  const [controller, ...ports] = await freePorts(nodes + 1);
  const host = hostname().split('.')[0];
  writeFileSync(
    conf,
    `ClusterName=test
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${controller}
SlurmUser=${userInfo().username}
SlurmdUser=${userInfo().username}
AuthType=auth/munge
AuthInfo=socket=${at('munge/socket')}
StateSaveLocation=${at('state')}
SlurmdSpoolDir=${at('spool-%n')}
SlurmctldPidFile=${at('slurmctld.pid')}
SlurmdPidFile=${at('%n.pid')}
SlurmctldLogFile=${at('slurmctld.log')}
SlurmdLogFile=${at('%n.log')}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=5
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
${names.map((name, i) => `NodeName=${name} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${ports[i]} CPUs=1 State=UNKNOWN`).join('\n')}
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`,
  );
  const startNode = (name) => {
    mkdirSync(at(`spool-${name}`), { recursive: true });
    const words = ['slurmd', '-D', '-N', name, '-f', conf];
    // the folder is an empty one to this node, which cannot be written
    if (hidden !== undefined && name === names.at(-1))
      start(name, 'unshare', ['--mount', 'sh', '-c', 'mount -t tmpfs -o ro none "$0" && exec "$@"', hidden, ...words]);
    else start(name, words[0], words.slice(1));
  };
  const munge = ['socket', 'key-file:key', 'pid-file:pid', 'log-file:log', 'seed-file:seed'].map((option) => {
    const [name, file = name] = option.split(':');
    return `--${name}=${at(`munge/${file}`)}`;
  });
  start('munged', 'munged', ['--foreground', '--force', ...munge]);
  await until('munged does not start', () => readdirSync(at('munge')).includes('socket'));
  start('slurmctld', 'slurmctld', ['-D', '-f', conf]);
  for (const name of names) startNode(name);
  const states = () => spawnSync('sinfo', ['--noheader', '--Node', '--format=%T'], { env, encoding: 'utf8' }).stdout.trim().split('\n');
  await until('the nodes do not come up', () => states().length === nodes && states().every((state) => state === 'idle'));

  return {
    env: { PATH, SLURM_CONF: conf },
    command,
    hurry() {
      const args = ['--noheader', '--array', '--states=PENDING', '--format=%i|%r'];
      const { stdout } = spawnSync('squeue', args, { env, encoding: 'utf8' });
      for (const [job, reason] of (stdout ?? '').split('\n').map((line) => line.split('|')))
        if (reason === 'BeginTime') spawnSync('scontrol', ['update', `JobId=${job}`, 'StartTime=now'], { env });
        // a daemon killed at the wrong moment: Slurm drains its node and holds the job until somebody has looked
        else if (reason === 'launch failed requeued held') {
          for (const node of daemons.keys()) spawnSync('scontrol', ['update', `NodeName=${node}`, 'State=resume'], { env });
          spawnSync('scontrol', ['release', job], { env });
        }
    },
    processesOf: (node) => jobProcesses(conf, node),
    async restart(name) {
      const child = daemons.get(name);
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
      startNode(name);
    },
    async stop() {
      spawnSync('scancel', ['--user', userInfo().username, '--signal=KILL', '--full'], { env });
      spawnSync('scancel', ['--user', userInfo().username], { env });
      await until('jobs do not end', () => command('squeue', '--noheader').trim() === '').catch(() => {});
      const order = [...names, 'slurmctld', 'munged'];
      for (const name of order) {
        const child = daemons.get(name);
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await Promise.race([gone, sleep(5000).then(() => child.kill('SIGKILL'))]);
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Ports that nobody listens on. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map((server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Processes whose environment says that they belong to a job on this node of this cluster. */
function jobProcesses(conf, node) {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const variables = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0');
      return variables.includes(`SLURM_CONF=${conf}`) && variables.includes(`SLURMD_NODENAME=${node}`) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}
