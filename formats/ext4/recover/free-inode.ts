/** Freeing an inode that has no name: its blocks, its attributes and its number (kernel: ext4_evict_inode). */
import type { Changes } from '../alloc/changes.ts';
import { markBlocks, markInode } from '../alloc/marks.ts';
import { isInline } from '../inline.ts';
import type { Ext4Inode } from '../inode.ts';
import { inodeSectors } from '../stat.ts';
import { DiskInode } from '../structure/inode.ts';
import { XattrBlockHeader, XattrEntry } from '../structure/xattr.ts';
import { isFastSymlink } from '../symlink.ts';
import { type EntryRow, entryPlaces } from '../xattr/entries.ts';
import { blockRow, inodeXattrRow, xattrBlock } from '../xattr/read.ts';
import { cutBlocks } from './cut.ts';
import { editInode, setSectors } from './inode-edit.ts';

/** Frees an inode and all that is its own. @throws FsError EUCLEAN, EIO */
export function freeInode(changes: Changes, ip: Ext4Inode): void {
  const hasBlocks = ip.kind === 'file' || ip.kind === 'dir' || (ip.kind === 'symlink' && !isFastSymlink(ip));
  if (hasBlocks && !isInline(ip)) cutBlocks(changes, ip, 0);
  freeAttributes(changes, ip);
  const { seconds } = changes.mp.options.now();
  editInode(changes, ip, (view, base) => {
    DiskInode.set.links_count(view, base, 0);
    DiskInode.set.size_lo(view, base, 0);
    DiskInode.set.size_high(view, base, 0);
    DiskInode.set.dtime(view, base, Number(seconds) >>> 0);
  });
  markInode(changes, ip.ino, false, ip.kind === 'dir');
}

function freeAttributes(changes: Changes, ip: Ext4Inode): void {
  const own = inodeXattrRow(ip);
  if (own !== null) releaseValues(changes, ip, own);
  if (ip.fileAcl === 0) return;
  const { mp } = changes;
  const buf = xattrBlock(ip);
  const users = XattrBlockHeader.get.refcount(buf.view, 0);
  if (users > 1) {
    changes.modify(buf);
    XattrBlockHeader.set.refcount(buf.view, 0, users - 1);
  } else {
    releaseValues(changes, ip, blockRow(buf));
    changes.forget(ip.fileAcl);
    markBlocks(changes, ip.fileAcl, 1, false);
  }
  const sectors = (mp.clusterBlocks * mp.blockSize) / 512;
  setSectors(changes, ip, Math.max(0, inodeSectors(ip) - sectors));
  editInode(changes, ip, (view, base) => {
    DiskInode.set.file_acl_lo(view, base, 0);
    DiskInode.set.file_acl_high(view, base, 0);
  });
}

/** Values in inodes of their own count who has them. */
function releaseValues(changes: Changes, ip: Ext4Inode, row: EntryRow): void {
  for (const at of entryPlaces(row)) {
    const inum = XattrEntry.get.value_inum(row.view, at);
    if (inum === 0) continue;
    const holder = ip.mp.inodes.getValueInode(inum);
    const { view, base } = holder;
    // The count is where others have the time of the last change, and their version.
    const count = DiskInode.get.ctime(view, base) * 2 ** 32 + DiskInode.get.version(view, base);
    if (count <= 1) freeInode(changes, holder);
    else
      editInode(changes, holder, () => {
        DiskInode.set.ctime(view, base, Math.floor((count - 1) / 2 ** 32));
        DiskInode.set.version(view, base, (count - 1) % 2 ** 32);
      });
  }
}
