/** The environment of the process, read here and in src/cli alone: what depends on it takes it as a parameter. */

export type Environment = Readonly<Record<string, string | undefined>>;

export function processEnvironment(): Environment {
  return process.env;
}

/** Sets variables that a native library reads while it loads, whatever the user has set. */
export function setVariables(variables: Readonly<Record<string, string>>): void {
  Object.assign(process.env, variables);
}

/** Sets variables that a native library reads while it loads, where the user has not set them. */
export function setDefaults(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) process.env[name] ??= value;
}
