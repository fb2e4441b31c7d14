/** The environment of the process. Only this file and src/cli read it; other code takes it as a parameter. */

export type Environment = Readonly<Record<string, string | undefined>>;

export function processEnvironment(): Environment {
  return process.env;
}

/** Sets variables that a native library reads when it loads, and overrides the user's. */
export function setVariables(variables: Readonly<Record<string, string>>): void {
  Object.assign(process.env, variables);
}

/** Sets variables that a native library reads when it loads, unless the user has set them. */
export function setDefaults(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) process.env[name] ??= value;
}
