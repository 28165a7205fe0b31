/** Every inode of an image that is in use, as it is on the disk. */
import { FsError } from '../../../core/errors.ts';
import type { Ext4Inode } from '../inode.ts';
import { inodeDamage } from '../inode-check.ts';
import type { Ext4Mount } from '../mount.ts';
import { DiskInode } from '../structure/inode.ts';
import { allocatedInodes } from './inode-walk.ts';

/**
 * Shows `visit` the inodes in use, until it answers false. One whose bytes are damaged, or that `visit` finds damaged, is
 * passed over and told to `failed`. @throws FsError EUCLEAN for bitmaps and descriptors, EIO
 */
export function scanInodes(
  mp: Ext4Mount,
  visit: (ip: Ext4Inode) => boolean,
  failed: (ino: number, error: FsError) => void,
): void {
  allocatedInodes(mp, 1, (ino) => {
    const ip = mp.inodes.read(ino);
    if (ip.nlink === 0 || DiskInode.get.dtime(ip.view, ip.base) !== 0) return true;
    try {
      const damage = inodeDamage(ip);
      // Numbers of the file system's own need not be any file's.
      if (damage !== null && ino < mp.firstIno && ip.mode === 0) return true;
      if (damage !== null) throw new FsError('EUCLEAN', { damage });
      return visit(ip);
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== 'EUCLEAN') throw error;
      failed(ino, error);
      return true;
    }
  });
}
