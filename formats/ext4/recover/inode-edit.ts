/** Changing an inode's fields in its buffer, its checksum with them. */
import type { Changes } from '../alloc/changes.ts';
import type { Ext4Inode } from '../inode.ts';
import { inodeChecksum } from '../inode-check.ts';
import { DiskInode, GOOD_OLD_INODE_SIZE, InodeExtra } from '../structure/inode.ts';

/** Lets `edit` change an inode's bytes. */
export function editInode(changes: Changes, ip: Ext4Inode, edit: (view: DataView, base: number) => void): void {
  const { buf } = ip;
  changes.modify(buf);
  edit(buf.view, ip.base);
  sealInode(ip);
}

/** Sets the checksum of an inode. */
export function sealInode(ip: Ext4Inode): void {
  if (!ip.mp.hasCsum) return;
  const sum = inodeChecksum(ip);
  const { view } = ip.buf;
  DiskInode.set.checksum_lo(view, ip.base, sum & 0xffff);
  if (ip.hasExtra('checksum_hi')) InodeExtra.set.checksum_hi(view, ip.base + GOOD_OLD_INODE_SIZE, sum >>> 16);
}

/** Sets how many blocks an inode has, in the unit that its flags say. */
export function setSectors(changes: Changes, ip: Ext4Inode, sectors: number): void {
  editInode(changes, ip, (view, base) => {
    const count = ip.mp.roCompat('huge_file') && ip.has('HUGE_FILE') ? sectors / (ip.mp.blockSize / 512) : sectors;
    DiskInode.set.blocks_lo(view, base, count % 2 ** 32);
    if (ip.mp.roCompat('huge_file')) DiskInode.set.blocks_high(view, base, Math.floor(count / 2 ** 32));
  });
}
