/** seek: where data and holes begin, by SEEK_DATA and SEEK_HOLE (xfs_io's io/seek.c). */

import { strerror } from '../core/errors.ts';
import { exactPos } from '../core/positions.ts';
import { command, usage } from './command.ts';
import { CommandFailure } from './failure.ts';
import type { OpenFile } from './open-file.ts';

type Whence = 'DATA' | 'HOLE';

interface Found {
  /** What was looked for. */
  readonly whence: Whence;
  /** Where the search began, bytes. */
  readonly start: number;
  /** File position, or null at the end of the file. */
  readonly result: number | null;
  readonly showStart: boolean;
  readonly first: boolean;
  /** A file in which nothing is found. */
  readonly refused?: true;
}

export const seek = command({
  name: 'seek',
  count: [2, 5],
  operands: '[-a|-d|-h] off',
  about: 'find data and holes',
  options: {
    a: { about: 'the next data and the next hole' },
    d: { about: 'the next data' },
    h: { about: 'the next hole' },
    r: { about: 'all of them to the end of the file' },
    s: { about: 'print where each search started' },
  },
  *run(session, args): Generator<Found> {
    const { options } = args;
    const wanted = new Set<Whence>();
    if (options.a || options.d) wanted.add('DATA');
    if (options.a || options.h) wanted.add('HOLE');
    const file = session.file();
    const { size, kind } = file.named;
    const from = args.operands.length === 1 ? session.lookupOrNull(args.operands[0] as string, size) : null;
    if (wanted.size === 0 || from === null) throw usage(seek);
    if (kind === 'fifo' || file.unusable) {
      const code = file.unusable ? 'EBADF' : 'ESPIPE';
      yield { whence: 'DATA', start: from, result: null, showStart: options.s, first: true, refused: true };
      throw new CommandFailure(strerror(code), { code, silent: true });
    }
    let start = from;
    let whence: Whence = 'DATA';
    let result: number | null = null;
    if (wanted.has('HOLE')) {
      result = find(file, 'HOLE', start);
      if (result === start || !wanted.has('DATA')) whence = 'HOLE';
    }
    if (whence === 'DATA') result = find(file, 'DATA', start);
    for (let first = true; wanted.size > 0; first = false) {
      if (result === null && !first) return;
      if (wanted.has(whence)) yield { whence, start, result, showStart: options.s, first };
      else if (first) yield { whence, start, result: Number.NaN, showStart: options.s, first };
      if (result === null) return;
      if (!options.r) wanted.delete(whence);
      whence = whence === 'DATA' ? 'HOLE' : 'DATA';
      start = result;
      // Also after the last one wanted: xfs_io does, and a trace shows it.
      result = find(file, whence, start);
    }
  },
  text({ whence, start, result, showStart, first, refused }, out) {
    if (first) out.write(showStart ? 'Whence\tStart\tResult\n' : 'Whence\tResult\n');
    if (refused) out.write(`ERR\t${exactPos(start)}\t`);
    if (refused || Number.isNaN(result)) return;
    const found = result === null ? 'EOF' : exactPos(result);
    out.write(`${whence}\t${showStart ? `${exactPos(start)}\t` : ''}${found}\n`);
  },
  json: ({ whence, start, result }) => ({
    command: 'seek',
    whence,
    start: exactPos(start),
    result: result === null || Number.isNaN(result) ? result : exactPos(result),
  }),
});

/** Where the next data or hole begins, and the file's position from then on; null when there is none before the end. */
function find(file: OpenFile, whence: Whence, from: number): number | null {
  const found = whence === 'DATA' ? file.seekData(from) : file.seekHole(from);
  if (found !== null) file.position = found;
  return found;
}
