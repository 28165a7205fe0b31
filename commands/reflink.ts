/** reflink: shares the blocks of another file (xfs_io's io/reflink.c). */
import { FsError } from '../core/errors.ts';
import { exactPos } from '../core/positions.ts';
import type { Inode } from '../core/vfs/inode.ts';
import { command, usage } from './command.ts';
import { perror } from './failure.ts';
import { openInput } from './open.ts';
import type { OpenFile } from './open-file.ts';
import { type IoReport, stopwatch, writeReport } from './report.ts';
import type { Range, Session } from './session.ts';

/** Only regular files share. @throws FsError EISDIR, EINVAL */
export function checkKinds(...inodes: readonly Inode[]): void {
  for (const { kind } of inodes) if (kind === 'dir') throw new FsError('EISDIR');
  for (const { kind } of inodes) if (kind !== 'file') throw new FsError('EINVAL');
}

function share(file: OpenFile, from: OpenFile, source: number, target: number, count: number): void {
  if (file.mount !== from.mount) throw new FsError('EXDEV');
  checkKinds(from.inode, file.inode);
  if (file.flags.readOnly || file.flags.append) throw new FsError('EBADF');
  file.inode.reflink(from.inode, source, target, count);
}

const WHOLE = { length: 0, asked: 0 };

/** A length from two positions on: the larger one where gaps make the two differ in labels. */
export function lengthAt(
  session: Session,
  source: number,
  target: number,
  word: string,
): { length: number; asked: number | bigint } {
  const [one, two] = [source, target].map((pos) =>
    session.rangeAt(pos, word, 'loose', 'length argument', 'non-positive'),
  ) as [Range, Range];
  return { length: Math.max(one.length, two.length), asked: one.asked };
}

export const reflink = command({
  name: 'reflink',
  alias: 'rl',
  count: [1, Number.POSITIVE_INFINITY],
  operands: 'file [src_off dst_off len]',
  about: 'share the blocks of another file',
  help: `Shares len bytes of the file at src_off with the open file at dst_off, or all of the file. A later write to
either goes to new blocks.`,
  options: { C: { about: 'report as numbers with commas' }, q: { about: 'no report' } },
  once: true,
  completes: 'path',
  run(session, args): { report: IoReport; condensed: boolean; quiet: boolean } {
    const { options, operands } = args;
    if (operands.length !== 1 && operands.length !== 4) throw usage(reflink);
    const [path, ...numbers] = operands as [string, string?, string?, string?];
    const source = numbers[0] === undefined ? 0 : session.position(numbers[0], 'src offset argument');
    const target = numbers[1] === undefined ? 0 : session.position(numbers[1], 'dest offset argument');
    const { length, asked } = numbers[2] === undefined ? WHOLE : lengthAt(session, source, target, numbers[2]);
    const from = openInput(session, path);
    const elapsed = stopwatch();
    try {
      share(session.file(), from, source, target, length);
      session.file().file.changed();
    } catch (error) {
      const whole = source === 0 && target === 0 && length === 0;
      throw error instanceof FsError
        ? perror(whole ? 'XFS_IOC_CLONE' : 'XFS_IOC_CLONE_RANGE', error, { silent: true })
        : error;
    } finally {
      from.close();
    }
    const report = {
      verb: 'linked',
      offset: exactPos(target),
      count: asked,
      total: Number(asked),
      ops: 1,
      seconds: elapsed(),
    };
    return { report, condensed: options.C, quiet: options.q };
  },
  text({ report, condensed, quiet }, out) {
    if (!quiet) writeReport(report, condensed, out);
  },
  json: ({ report }) => ({ command: 'reflink', ...report }),
});
