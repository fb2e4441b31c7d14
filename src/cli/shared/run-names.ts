import { basename, dirname, resolve, sep } from 'node:path';

/**
 * Names of training runs, from the paths of their logs: the folder's name, with as many parent folders as tell it from
 * the others. A path given twice has the same name twice.
 */
export function runNames(logs: readonly string[]): string[] {
  const paths = logs.map((log) => {
    const path = resolve(log);
    return (basename(path) === 'log.jsonl' ? dirname(path) : path).split(sep);
  });
  const end = (path: readonly string[], length: number) => path.slice(-length).join('/');
  return paths.map((path) => {
    const others = paths.filter((other) => other.join(sep) !== path.join(sep));
    let length = 1;
    while (length < path.length && others.some((other) => end(other, length) === end(path, length))) length++;
    return end(path, length);
  });
}
