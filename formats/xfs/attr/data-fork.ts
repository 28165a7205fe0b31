/**
 * Making the extents of the data fork fit when an attribute fork takes part of its bytes (kernel:
 * xfs_bmap_add_attrfork_extents, xfs_bmap_add_attrfork_btree). The root of a bmap btree has its pointers where the
 * size of the fork says, so they move with the border.
 */
import { extentsToBtree } from '../bmap-fork.ts';
import { bmbtCursor } from '../btree/bmbt.ts';
import { pushRootDown } from '../btree/insert.ts';
import type { XfsInode } from '../inode.ts';
import type { Trans } from '../trans.ts';

const ROOT_HEADER = 4;
const PAIR = 16;

const roomFor = (bytes: number): number => Math.floor((bytes - ROOT_HEADER) / PAIR);

/** Before the border moves to `size` bytes: a btree root with too many entries goes down a level. @throws FsError ENOSPC */
export function shrinkDataRoot(tp: Trans, ip: XfsInode, size: number): void {
  if (ip.dataFork.format !== 'btree') return;
  if (ip.buf.view.getUint16(ip.dataFork.start + 2) <= roomFor(size)) return;
  const cursor = bmbtCursor(ip, 'data', tp);
  cursor.lookup(0, 'ge');
  pushRootDown(cursor);
  cursor.close();
}

/** After the border moved from `before` bytes: extents that no longer fit become a btree, root pointers move. @throws FsError ENOSPC */
export function fitDataExtents(tp: Trans, ip: XfsInode, before: number): void {
  const fork = ip.dataFork;
  if (fork.format === 'extents') {
    if (fork.nextents > Math.floor(fork.size / 16)) extentsToBtree(tp, ip, 'data');
    return;
  }
  const count = ip.buf.view.getUint16(fork.start + 2);
  const from = fork.start + ROOT_HEADER + roomFor(before) * 8;
  const to = fork.start + ROOT_HEADER + roomFor(fork.size) * 8;
  ip.buf.bytes.copyWithin(to, from, from + count * 8);
}
