/** The extent size hints of an inode, in blocks, as Linux derives them from flags and fields. */
import type { XfsInode } from './inode.ts';
import { inodeFlags, inodeFlags2 } from './inode-core.ts';
import { DiFlag, DiFlag2, Dinode } from './structure/dinode.ts';

/** Hint for CoW staging when the file has none (kernel: XFS_DEFAULT_COWEXTSZ_HINT). */
const DEFAULT_COW_HINT = 32;

/** Extent size hint, 0 for none, which a realtime file never says: it has no delayed allocations (kernel: xfs_get_extsz_hint). */
export function extentHint(ip: XfsInode): number {
  const flags = inodeFlags(ip);
  if ((flags & DiFlag.EXTSIZE) !== 0) {
    const size = Dinode.get.extsize(ip.buf.view, ip.base);
    if (size > 0) return size;
  }
  return (flags & DiFlag.REALTIME) !== 0 ? ip.mp.rtExtSize : 0;
}

/** CoW extent size hint: the larger of both fields, or the default (kernel: xfs_get_cowextsz_hint). */
export function cowExtentHint(ip: XfsInode): number {
  let hint = 0;
  if ((inodeFlags2(ip) & DiFlag2.COWEXTSIZE) !== 0) hint = Dinode.get.cowextsize(ip.buf.view, ip.base);
  return Math.max(hint, extentHint(ip)) || DEFAULT_COW_HINT;
}
