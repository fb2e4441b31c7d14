/** `--quiet`, which every command has. */
import type { Command } from 'commander';

let quiet = false;

/** Whether the user asked for no progress. */
export const isQuiet = (): boolean => quiet;

/** Gives a command, or each of the commands below it, the option --quiet. */
export function addQuiet(command: Command): Command {
  if (command.commands.length > 0) for (const one of command.commands) addQuiet(one);
  else
    command.option('--quiet', 'do not print progress').hook('preAction', () => {
      quiet = command.opts()['quiet'] === true;
    });
  return command;
}
