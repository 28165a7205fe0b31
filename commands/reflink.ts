/** reflink: shares the blocks of another file (xfs_io's io/reflink.c). */
import { FsError } from '../core/errors.ts';
import { command, usage } from './command.ts';
import { perror } from './failure.ts';
import { openInput } from './open.ts';
import type { OpenFile } from './open-file.ts';
import { type IoReport, stopwatch, writeReport } from './report.ts';

function share(file: OpenFile, from: OpenFile, source: number, target: number, count: number): void {
  if (file.flags.readOnly) throw new FsError('EBADF');
  if (file.mount !== from.mount) throw new FsError('EXDEV');
  file.inode.reflink(from.inode, source, target, count);
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
    const source = numbers[0] === undefined ? 0 : session.size(numbers[0], 'src offset argument');
    const target = numbers[1] === undefined ? 0 : session.size(numbers[1], 'dest offset argument');
    const count = numbers[2] === undefined ? 0 : session.size(numbers[2], 'length argument', 'non-positive');
    const from = openInput(session, path);
    const elapsed = stopwatch();
    try {
      share(session.file(), from, source, target, count);
    } catch (error) {
      const whole = source === 0 && target === 0 && count === 0;
      throw error instanceof FsError
        ? perror(whole ? 'XFS_IOC_CLONE' : 'XFS_IOC_CLONE_RANGE', error, { silent: true })
        : error;
    } finally {
      from.close();
    }
    const report = { verb: 'linked', offset: target, count, total: count, ops: 1, seconds: elapsed() };
    return { report, condensed: options.C, quiet: options.q };
  },
  text({ report, condensed, quiet }, out) {
    if (!quiet) writeReport(report, condensed, out);
  },
  json: ({ report }) => ({ command: 'reflink', ...report }),
});
