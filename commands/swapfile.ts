/** swapfile: whether Linux would take the open file as swap space, and where it would swap to. */
import { FsError, strerror } from '../core/errors.ts';
import { type SwapLayout, swapfileActivate } from '../core/iomap/swapfile.ts';
import { command } from './command.ts';
import { CommandFailure } from './failure.ts';
import { right } from './text.ts';
import { Xflag } from './xflags.ts';

/** Bytes of a page of memory, the unit of swap space. */
const PAGE = 4096;

export const swapfile = command({
  name: 'swapfile',
  count: [0, 0],
  about: 'whether Linux would accept the open file as swap, and the extents it would use',
  help: `Each line is a run of swap pages: its first page, how many, and the byte of the device where it lies. The first page
of all holds the header that mkswap writes. A file that Linux would refuse is refused here, with the reason.`,
  run(session): SwapLayout {
    const { inode } = session.file();
    try {
      if (inode.kind !== 'file') throw new FsError('EINVAL', { detail: 'is no regular file' });
      // Linux opens it for writing, which these flags forbid.
      if ((inode.xflags & (Xflag.IMMUTABLE | Xflag.APPEND)) !== 0) throw new FsError('EPERM');
      // The header alone is no swap space, whatever else is wrong.
      if (Math.floor(inode.size / PAGE) === 1) throw new FsError('EINVAL', { detail: 'Empty swap-file' });
      const problem = inode.swapfileProblem?.() ?? null;
      if (problem !== null) throw new FsError('EINVAL', { detail: problem });
      return swapfileActivate(inode);
    } catch (error) {
      if (!(error instanceof FsError) || !['EINVAL', 'EPERM'].includes(error.code)) throw error;
      const reason = error.detail ?? strerror(error.code);
      throw new CommandFailure(`swapfile: Linux would refuse it: ${reason}`, { code: error.code, cause: error });
    }
  },
  text({ extents, pages }, out) {
    out.write(`${pages - 1} pages of swap (${(pages - 1) * (PAGE / 1024)} KiB) in ${extents.length} extents\n`);
    out.write('      PAGE    PAGES         ADDRESS\n');
    for (const { page, pages: count, addr } of extents) {
      out.write(`${right(page, 10)} ${right(count, 8)} ${right(addr, 15)}\n`);
    }
  },
});
