import type { Lobby, LobbyOptions } from './lobby.ts';

/**
 * Opens the lobby: a page that makes a device's browser a backend.
 * @throws UsageError when the interface does not exist, or the port is in use or not allowed
 * @example
 * const lobby = await openLobby({ host: '0.0.0.0' });
 * console.log(`open ${lobby.addresses[0]} on the device; its certificate is ${lobby.fingerprint}`);
 * const { verdict } = await evaluate(file, { data, backends: ['cpu', 'remote-wasm'], backendOptions: { lobby } });
 * await lobby.close(verdict ?? 'not compared');
 */
export async function openLobby(options: LobbyOptions = {}): Promise<Lobby> {
  const { startLobby } = await import('./lobby.ts'); // Node's servers take a while to load
  return startLobby(options);
}
