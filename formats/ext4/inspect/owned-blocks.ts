/** The blocks that belong to an inode: its data, what leads to them, and its extended attributes. */
import { isInline } from '../inline.ts';
import type { Ext4Inode } from '../inode.ts';
import { walkExtents } from '../map/walk-extents.ts';
import { walkNumbers } from '../map/walk-numbers.ts';
import { isFastSymlink } from '../symlink.ts';

/** What a run of an inode's blocks is for: `map` leads to data. */
export type BlockUse = 'data' | 'unwritten' | 'map' | 'attributes';

/** Receives a run of blocks; `logical` is the file block of data. False stops. */
export type BlockVisitor = (physical: number, length: number, use: BlockUse, logical: number) => boolean;

/** Shows `visit` all blocks of an inode, until it answers false. @throws FsError EUCLEAN, EIO */
export function ownedBlocks(ip: Ext4Inode, visit: BlockVisitor): void {
  const acl = ip.fileAcl;
  if (acl !== 0 && !visit(acl, 1, 'attributes', 0)) return;
  if (!mapsBlocks(ip)) return;
  if (!ip.has('EXTENTS')) walkNumbers(ip, visit);
  else
    walkExtents(ip, 0, ({ leaf, logical, physical, length, unwritten }) =>
      leaf ? visit(physical, length, unwritten ? 'unwritten' : 'data', logical) : visit(physical, 1, 'map', 0),
    );
}

/** True if the 60 bytes in the inode lead to blocks. */
export function mapsBlocks(ip: Ext4Inode): boolean {
  if (ip.kind === 'symlink') return !isInline(ip) && !isFastSymlink(ip);
  return (ip.kind === 'file' || ip.kind === 'dir') && !isInline(ip);
}
