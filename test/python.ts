/** Python interpreters for tests that compare with a Python library; the product needs none. */
import { execFileSync } from 'node:child_process';
import { test } from 'vitest';

const candidates = ['python3', '/usr/bin/python3'];

/** The first interpreter that can import these modules, or undefined. */
export function pythonWith(...modules: readonly string[]): string | undefined {
  return candidates.find((python) => {
    try {
      execFileSync(python, ['-c', modules.map((module) => `import ${module}`).join('\n')], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs a test with an interpreter that has these modules; without one it is skipped and says what it lacks. */
export function testWithPython(
  modules: readonly string[],
  name: string,
  body: (python: string) => Promise<void> | void,
  timeout?: number,
): void {
  const python = pythonWith(...modules);
  if (python === undefined) test.skip(`${name} [needs Python with ${modules.join(' and ')}]`, () => {});
  else test(name, () => body(python), timeout);
}
