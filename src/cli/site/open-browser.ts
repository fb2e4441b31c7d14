/** Opens an address in the user's browser. */
import { spawn } from 'node:child_process';
import { say } from '../shared/results.ts';

/** By platform; elsewhere xdg-open. */
const commands: Readonly<Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/** Where that does not work, one line says so: the address has been printed. */
export function openBrowser(url: string): void {
  const [command, ...args] = commands[process.platform] ?? ['xdg-open'];
  const failed = (reason: string) => say(`no browser was opened (${command}: ${reason}). Open the address yourself`);
  spawn(command, [...args, url], { stdio: 'ignore', detached: true })
    .once('error', (error: NodeJS.ErrnoException) => failed(error.code === 'ENOENT' ? 'not installed' : error.message))
    .once('exit', (code) => code && failed(`exit code ${code}`))
    .unref();
}
