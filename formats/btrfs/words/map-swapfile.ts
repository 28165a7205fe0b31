/** map-swapfile: where a swap file begins on its device, for those who resume from it (btrfs-progs: map-swapfile). */
import { FsError } from '../../../core/errors.ts';
import { type SwapLayout, swapfileActivate } from '../../../core/iomap/swapfile.ts';
import type { Inode } from '../../../core/vfs/inode.ts';
import { says, WordFailure, word } from '../../../core/vfs/word.ts';

/** The unit of a resume offset. */
const PAGE = 4096;

export const mapSwapfile = word({
  name: 'map-swapfile',
  operands: 'path',
  about: 'where a file that is fit for swap begins on its device',
  options: {
    r: { about: 'only the resume offset, in pages' },
    'resume-offset': { about: 'likewise' },
  },
  run(context, { options, operands }) {
    const [path, ...rest] = operands;
    if (path === undefined || rest.length > 0) throw context.usage();
    const start = layoutOf(context.lookup(path)).extents[0]?.addr as number;
    const resumeOffset = start / PAGE;
    const lines =
      options.r || options['resume-offset']
        ? [String(resumeOffset)]
        : [`Physical start: ${String(start).padStart(12)}`, `Resume offset:  ${String(resumeOffset).padStart(12)}`];
    return says({ path, physicalStart: start, resumeOffset }, lines);
  },
});

/** @throws WordFailure saying why Linux would not swap to it */
function layoutOf(inode: Inode): SwapLayout {
  if (inode.kind !== 'file') throw new WordFailure('map-swapfile: not a regular file');
  const problem = inode.swapfileProblem?.() ?? null;
  if (problem !== null) throw new WordFailure(`map-swapfile: ${problem}`);
  try {
    return swapfileActivate(inode);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'EINVAL') throw error;
    throw new WordFailure(`map-swapfile: ${error.detail ?? 'not fit for swap'}`);
  }
}
