/** `eval --backend remote-...`: prints the address and its QR code, reports devices that join or leave, and sends them the verdict. */
import type { Lobby, LobbyEvent } from '../../../eval/backends/remote/lobby.ts';
import { openLobby } from '../../../eval/backends/remote/open-lobby.ts';
import { type BackendName, isRemote } from '../../../eval/backends/table.ts';
import { withNames } from '../../../eval/columns.ts';
import type { Plan } from '../../../eval/plan.ts';
import type { Report } from '../../../eval/report.ts';
import { UsageError } from '../../errors.ts';
import { percent } from '../../numbers.ts';
import { isQuiet } from '../shared/quiet.ts';
import { say } from '../shared/results.ts';

export interface RemoteFlags {
  readonly host?: string;
  readonly port?: number;
  readonly http?: boolean;
  readonly devices?: number;
}

export const REMOTE_HELP = `
Remote backends: open the printed address, or its QR code, on any device; its browser then runs the network. Connect by
  same network:  --host wlan0 (or an IP address). HTTPS with a certificate made for this run: compare the printed fingerprint
                 with the one in the browser's warning, then continue. WebGPU and wasm threads work
  USB cable:     --http --port 8080, and in another terminal: adb reverse tcp:8080 tcp:8080. WebGPU and wasm threads work,
                 because browsers trust the phone's own address; there is no warning
  plain HTTP:    --host wlan0 --http. One wasm thread, no WebGPU, and others on the network can read the traffic
Anyone with the address can join and receives the model and the images. A device that loses its connection resumes when its browser
opens the address again. --devices 2 waits for two devices; each gets its own rows: remote-wasm#2.`;

/**
 * Refuses options that would be ignored.
 * @throws UsageError
 */
export function requireRemote({ host, port, http, devices }: RemoteFlags, backends: readonly BackendName[]): void {
  if (backends.some(isRemote)) return;
  const given = Object.entries({ '--host': host, '--port': port, '--http': http, '--devices': devices }).find(
    ([, value]) => value !== undefined,
  );
  if (given) throw new UsageError(`${given[0]} needs a remote backend, such as --backend cpu,remote-wasm`);
}

/** The lobby, with its address printed; undefined when no backend is remote. */
export async function lobbyFor({ rows }: Plan, flags: RemoteFlags, signal: AbortSignal): Promise<Lobby | undefined> {
  if (!rows.some(({ backend }) => isRemote(backend))) return undefined;
  const { host, port, http: plain, devices } = flags;
  const lobby = await openLobby({ host, port, plain, devices, signal, onEvent: (event) => say(describe(event)) });
  try {
    await announce(lobby);
    return lobby;
  } catch (error) {
    await lobby.close('');
    throw error;
  }
}

async function announce({ addresses, fingerprint }: Lobby): Promise<void> {
  say('open this address on the device:');
  for (const address of addresses) say(`  ${address}`);
  if (!isQuiet()) {
    const { encodeQR } = await import('qr');
    for (const line of encodeQR(addresses[0] as string, 'ascii')
      .trimEnd()
      .split('\n'))
      say(line);
  }
  if (fingerprint !== undefined) say(`the certificate is made for this run, so the browser warns. Its SHA-256 fingerprint: ${fingerprint}`);
}

function describe({ kind, device, name }: LobbyEvent): string {
  switch (kind) {
    case 'waiting':
      return `waiting for device ${device} to open the address`;
    case 'joined':
      return `device ${device} has joined: ${name}`;
    case 'lost':
      return `device ${device} is not connected. The run continues when it opens the address again`;
    case 'back':
      return `device ${device} is back`;
  }
}

/** What the pages show at the end. */
export function verdictFor(report: Report | undefined): string {
  if (!report) return 'The run has ended without a result.';
  const { results, verdict, complete } = withNames(report);
  const rows = results.map(({ backend, top1, agreement, images }) => {
    const parts = [
      ...(top1 === null ? [] : [`${percent(top1)} of ${images} images right`]),
      ...(agreement === null ? [] : [`agreement ${percent(agreement)}`]),
    ];
    return `${backend}: ${parts.join(', ')}`;
  });
  const said = complete ? (verdict === null ? 'Done.' : `Parity: ${verdict}.`) : 'The run was stopped.';
  return [said, ...rows].join('\n');
}
