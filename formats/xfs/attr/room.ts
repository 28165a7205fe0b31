/** Whether an attribute of some size fits, asked before the transaction that sets it. */
import { attrForkBlocks, attrSetBlocks } from '../alloc/space-needs.ts';
import type { XfsInode } from '../inode.ts';
import { needRoom } from '../make-room.ts';
import type { XfsMount } from '../mount.ts';
import { AttrFlag } from '../structure/attr.ts';
import { attrGeometry, localSize } from './leaf-edit.ts';
import { remoteBlocks } from './remote.ts';

/** Blocks that setting an attribute may take in the worst case. */
export function blocksToSet(mp: XfsMount, nameLength: number, length: number): number {
  const size = localSize(nameLength, length);
  return attrSetBlocks(mp, size, size < attrGeometry(mp).localMax ? 0 : remoteBlocks(mp, length));
}

/** @throws FsError ENOSPC as Linux, where the worst case would not fit; the root's attributes may use the last blocks */
export function needRoomToSet(ip: XfsInode, nameLength: number, length: number, flags: number): void {
  const { mp } = ip;
  if (!ip.hasAttrFork) needRoom(mp, attrForkBlocks(mp), flags === AttrFlag.ROOT);
  needRoom(mp, blocksToSet(mp, nameLength, length), flags === AttrFlag.ROOT);
}
