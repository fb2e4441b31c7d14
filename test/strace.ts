/** What a command writes and whom it calls, as the system sees it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const hasStrace = spawnSync('strace', ['-V']).status === 0;

export interface Traced {
  readonly status: number | null;
  readonly stderr: string;
  /** Files and folders opened for writing or made, in order. */
  readonly written: readonly string[];
  /** Other machines, as `address:port`, and name servers anywhere. */
  readonly called: readonly string[];
}

/** Runs a command and all processes that it starts to their end. */
export function trace([program, ...args]: readonly [string, ...string[]], env: NodeJS.ProcessEnv): Traced {
  const folder = mkdtempSync(join(tmpdir(), 'wrn-onnx-trace-'));
  const log = join(folder, 'log');
  try {
    const calls = 'open,openat,creat,mkdir,mkdirat,connect,sendto,sendmsg,sendmmsg';
    const flags = ['-f', '-y', '-qq', '--seccomp-bpf', '-s', '0', '-e', `trace=${calls}`, '-o', log];
    const { status, stderr } = spawnSync('strace', [...flags, program, ...args], { env, encoding: 'utf8' });
    const lines = readFileSync(log, 'utf8').split('\n');
    return { status, stderr, written: lines.flatMap(written), called: [...new Set(lines.flatMap(called))] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** As `1234 openat(AT_FDCWD</work>, "a.onnx", O_WRONLY|O_CREAT, 0666) = 18`; of a call that another one interrupts, its first part. */
function written(line: string): string[] {
  const [, call = '', folder = '', path = '', rest = ''] = /^\d+ +(\w+)\((?:[\w-]*<(.*?)>, )?"(.*?)"(?:\.\.\.)?(.*)$/.exec(line) ?? [];
  const writes = call.startsWith('mkdir') || call === 'creat' || (call.startsWith('open') && /O_WRONLY|O_RDWR|O_CREAT/.test(rest));
  return writes && !/ = -1 /.test(rest) ? [resolve(folder, path)] : [];
}

const NAME_SERVICE = ':53';
/** Chrome asks the system whether it has a route to this address, and sends nothing (net/dns/host_resolver_manager.cc). */
const ROUTE_PROBE = '2001:4860:4860::8888:443';

function called(line: string): string[] {
  const port = /port=htons\((\d+)\)/.exec(line)?.[1];
  const address = /inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"/.exec(line);
  const target = address && `${address[1] ?? address[2]}:${port}`;
  if (line.includes('nscd/socket')) return ['nscd'];
  if (!target || target === ROUTE_PROBE) return [];
  return /^(127\.|::1:|::ffff:127\.)/.test(target) && !target.endsWith(NAME_SERVICE) ? [] : [target];
}
