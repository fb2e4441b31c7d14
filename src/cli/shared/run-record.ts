/** When, where and by which command a result was made. */

import type { RunRecord } from '../../../eval/record.ts';
import { machine } from '../../../eval/record.ts';
import { shellCommand } from '../../cluster/shell.ts';

/**
 * The record of a result of this process.
 * @param machines the result was measured on; this one by default
 */
export function runRecord(machines: readonly string[] = [machine()]): RunRecord {
  return {
    date: new Date().toISOString(),
    machine: [...new Set(machines)].join(' and '),
    command: shellCommand(['wrn-onnx', ...process.argv.slice(2)]),
  };
}
