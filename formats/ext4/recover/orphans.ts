/**
 * Inodes that a crash caught without a name, or in the middle of a truncation. They hang in a list that begins in the
 * superblock and goes on in each one's dtime, or stand in a file of their own (feature orphan_file); mounting frees or
 * truncates them. A damaged list is left to e2fsck, as Linux leaves it.
 *
 * Mirrors: fs/ext4/orphan.c (ext4_orphan_cleanup), ialloc.c (ext4_orphan_get).
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import { corrupt, type Damage, FsError } from '../../../core/errors.ts';
import type { Changes } from '../alloc/changes.ts';
import { crc32cRaw } from '../checksum.ts';
import { isInline } from '../inline.ts';
import type { Ext4Inode } from '../inode.ts';
import { BlockRun } from '../map/run.ts';
import type { Ext4Mount } from '../mount.ts';
import { inodeBitmap, isSet } from '../space/bitmaps.ts';
import { DiskInode } from '../structure/inode.ts';
import { ORPHAN_BLOCK_MAGIC, OrphanBlockTail } from '../structure/orphan.ts';
import { StateBit } from '../structure/superblock.ts';
import { cutBlocks } from './cut.ts';
import { freeInode } from './free-inode.ts';
import { editInode } from './inode-edit.ts';

/** True if mounting would have to look after orphans. */
export function hasOrphans(mp: Ext4Mount): boolean {
  if (mp.mustStayReadOnly || (mp.sb.state & StateBit.ERROR) !== 0) return false;
  return mp.sb.last_orphan !== 0 || (mp.compat('orphan_file') && mp.roCompat('orphan_present'));
}

/** Frees and truncates all orphans. @throws FsError EUCLEAN if the orphan file is damaged, EIO */
export function cleanOrphans(changes: Changes): void {
  const { mp } = changes;
  let ino = mp.sb.last_orphan;
  // Who is twice in the list was freed, or cut, the first time.
  const seen = new Set<number>();
  while (ino !== 0 && !seen.has(ino)) {
    seen.add(ino);
    const orphan = orphanInode(mp, ino);
    if (orphan === null) break;
    ino = DiskInode.get.dtime(orphan.view, orphan.base);
    if (!cleanOne(changes, orphan)) break;
  }
  mp.sb.last_orphan = 0;
  if (mp.compat('orphan_file')) cleanOrphanFile(changes);
}

/** False if it is damaged. */
function cleanOne(changes: Changes, orphan: Ext4Inode): boolean {
  try {
    if (orphan.nlink === 0) freeInode(changes, orphan);
    else truncateOrphan(changes, orphan);
    return true;
  } catch (error) {
    if (error instanceof FsError && error.code === 'EUCLEAN') return false;
    throw error;
  }
}

/** The inode of an orphan, or null if it can be none. */
function orphanInode(mp: Ext4Mount, ino: number): Ext4Inode | null {
  if (ino < mp.firstIno || !mp.validIno(ino)) return null;
  try {
    const used = isSet(inodeBitmap(mp, mp.groupOfIno(ino)), (ino - 1) % mp.inodesPerGroup);
    const orphan = used ? mp.inodes.get(ino) : null;
    return orphan === null || orphan.nlink === 0 || mayTruncate(orphan) ? orphan : null;
  } catch (error) {
    if (error instanceof FsError && (error.code === 'EUCLEAN' || error.code === 'ENOENT')) return null;
    throw error;
  }
}

function mayTruncate(ip: Ext4Inode): boolean {
  return ip.kind === 'file' || ip.kind === 'dir' || ip.kind === 'symlink';
}

/** What lies beyond the size goes, and the rest of the last block is nothing. */
function truncateOrphan(changes: Changes, ip: Ext4Inode): void {
  const { mp, size } = ip;
  if (!isInline(ip)) {
    zeroTail(ip);
    cutBlocks(changes, ip, Math.ceil(size / mp.blockSize));
  }
  editInode(changes, ip, (view, base) => DiskInode.set.dtime(view, base, 0));
}

function zeroTail(ip: Ext4Inode): void {
  const { mp, size } = ip;
  const used = size % mp.blockSize;
  if (used === 0) return;
  const run = new BlockRun();
  ip.map(Math.floor(size / mp.blockSize), run);
  if (run.physical === 0 || run.unwritten) return;
  mp.device.write(run.physical * mp.blockSize + used, new Uint8Array(mp.blockSize - used));
}

/** A damaged orphan of the file is passed over; it stays there. */
function cleanOrphanFile(changes: Changes): void {
  const { mp } = changes;
  const file = mp.inodes.get(mp.sb.orphan_file_inum);
  const ops = orphanBlockOps(file);
  for (let block = 0; block < Math.floor(file.size / mp.blockSize); block++) {
    const buf = file.block(block, ops);
    if (buf === null) throw corrupt({ structure: 'orphan file', field: 'block', value: String(block), rule: 'a hole' });
    for (let at = 0; at < buf.length - OrphanBlockTail.size; at += 4) {
      const ino = buf.view.getUint32(at, true);
      const orphan = ino === 0 ? null : orphanInode(mp, ino);
      if (orphan === null || !cleanOne(changes, orphan)) continue;
      changes.modify(buf);
      buf.view.setUint32(at, 0, true);
    }
  }
}

function orphanBlockOps(file: Ext4Inode): BufOps {
  return {
    name: 'orphan file block',
    logType: 0,
    verify: (buf) => orphanBlockDamage(file, buf),
    seal(buf) {
      if (file.mp.hasCsum)
        OrphanBlockTail.set.checksum(buf.view, buf.length - OrphanBlockTail.size, orphanChecksum(file, buf));
    },
  };
}

function orphanBlockDamage(file: Ext4Inode, buf: Buf): Damage | null {
  const at = buf.length - OrphanBlockTail.size;
  const magic = OrphanBlockTail.get.magic(buf.view, at);
  const bad = (field: string, value: number, rule: string): Damage => {
    return {
      structure: 'orphan file block',
      addr: buf.addr,
      offset: at,
      field,
      value: `0x${value.toString(16)}`,
      rule,
    };
  };
  if (magic !== ORPHAN_BLOCK_MAGIC) return bad('magic', magic, 'magic');
  const found = OrphanBlockTail.get.checksum(buf.view, at);
  return !file.mp.hasCsum || found === orphanChecksum(file, buf) ? null : bad('checksum', found, 'crc');
}

function orphanChecksum(file: Ext4Inode, buf: Buf): number {
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, BigInt(buf.addr / file.mp.blockSize), true);
  return crc32cRaw(crc32cRaw(file.csumSeed, number), buf.bytes.subarray(0, buf.length - OrphanBlockTail.size));
}
