/**
 * Words about memory and readahead: fadvise and madvise are checked and then heeded by nobody, mincore tells which
 * pages of the current mapping the page cache holds (xfs_io's io/fadvise.c, io/madvise.c, io/mincore.c).
 */
import { exactPos } from '../core/positions.ts';
import { command, usage } from './command.ts';
import { CommandFailure } from './failure.ts';
import { addressOf, PAGE, rangeOf } from './mapped-range.ts';
import type { Session } from './session.ts';

export const fadvise = command({
  name: 'fadvise',
  operands: '[off len]',
  about: 'advise on how the file will be read; accepted',
  options: {
    d: { about: 'not again soon' },
    n: { about: 'no reuse' },
    r: { about: 'at random' },
    s: { about: 'in order' },
    w: { about: 'soon' },
  },
  run(session, args): undefined {
    const { operands } = args;
    // Only what is advised about a range has one.
    const ranged = /[dnw]/.test(args.last('dnrsw') ?? '');
    if (operands.length !== (ranged ? 2 : 0)) throw usage(fadvise);
    if (ranged) session.range(...(operands as [string, string]), 'loose');
  },
});

/** A page-aligned range of the current mapping. @throws CommandFailure */
function aligned(session: Session, operands: readonly string[], misused: CommandFailure) {
  const range = rangeOf(session, operands, misused);
  if (range.offset % PAGE === 0) return range;
  const address = addressOf(session, range.offset);
  throw new CommandFailure(`offset address (${address}) is not page aligned`, { stream: 'stdout' });
}

export const madvise = command({
  name: 'madvise',
  alias: 'ma',
  operands: '[off len]',
  about: 'advise on how the current mapping will be read; accepted',
  options: {
    d: { about: 'not again soon' },
    r: { about: 'at random' },
    s: { about: 'in order' },
    w: { about: 'soon' },
  },
  needs: 'mapping',
  run(session, { operands }): undefined {
    aligned(session, operands, usage(madvise));
  },
});

interface Resident {
  /** First address of the run, as the mapping has it. */
  readonly start: string;
  /** The address behind it. */
  readonly end: string;
  /** Position in the mapping, bytes. */
  readonly offset: number | bigint;
  /** Bytes. */
  readonly length: number;
}

export const mincore = command({
  name: 'mincore',
  alias: 'mi',
  count: [0, 2],
  operands: '[off len]',
  about: 'pages of the current mapping that are in memory',
  plain: true,
  needs: 'mapping',
  *run(session, { operands }): Generator<Resident> {
    const { offset, length } = aligned(session, operands, usage(mincore));
    const region = session.mapped();
    const { pages } = region.file.inode;
    let start = -1;
    for (let pos = offset; pos <= offset + length; pos += PAGE) {
      const here = pos < offset + length && pages.hasPage(pos);
      if (here && start < 0) start = pos;
      if (here || start < 0) continue;
      const [from, to] = [addressOf(session, start), addressOf(session, pos)];
      yield { start: from, end: to, offset: exactPos(start), length: pos - start };
      start = -1;
    }
  },
  text({ start, end, offset, length }, out) {
    out.write(`${start} - ${end}  ${length / PAGE} pages (${offset} : ${length})\n`);
  },
});
