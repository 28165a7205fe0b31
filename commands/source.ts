/** source: the commands of a host file, a line each. Empty lines, and those that begin with `#`, are passed over. */
import { readFileSync } from 'node:fs';
import { hostError } from '../core/device/host-error.ts';
import { decodeName } from '../core/vfs/names.ts';
import { command } from './command.ts';
import { perror } from './failure.ts';

export const source = command({
  name: 'source',
  count: [1, 1],
  operands: 'file',
  about: 'run the commands that a file of the host holds',
  help: 'A line is a command. Lines that begin with # say nothing. quit ends the session, also from here.',
  plain: true,
  needs: 'nothing',
  once: true,
  completes: 'host',
  run: (): undefined => undefined,
  lines(_session, { operands }): readonly string[] {
    const path = operands[0] as string;
    try {
      const bytes = readFileSync(path);
      const lines: string[] = [];
      for (let start = 0; start < bytes.length; ) {
        const end = bytes.indexOf(10, start);
        const stop = end < 0 ? bytes.length : end;
        lines.push(decodeName(bytes.subarray(start, stop)));
        start = stop + 1;
      }
      return lines;
    } catch (error) {
      throw perror(path, hostError(error, path));
    }
  },
});
