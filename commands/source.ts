/** source: the commands of a host file, a line each. Empty lines, and those that begin with `#`, are passed over. */
import { readFileSync } from 'node:fs';
import { hostError } from '../core/device/host-error.ts';
import { decodeLines } from '../core/vfs/names.ts';
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
      return decodeLines(readFileSync(path));
    } catch (error) {
      throw perror(path, hostError(error, path));
    }
  },
});
