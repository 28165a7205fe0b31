/** Fields of the inode core that block mapping and writing change, set in the inode's buffer within a transaction. */
import { FsError } from '../../core/errors.ts';
import type { Timestamp } from '../../core/vfs/inode.ts';
import type { BtreeFork } from './btree/cursor.ts';
import type { XfsInode } from './inode.ts';
import { DiFlag2, Dinode, DinodeLarge, dinodeFlags2, ForkFormat, writeTimestamp } from './structure/dinode.ts';

/** The inode counts extents in 64 and 32 bits (NREXT64). */
export function hasLargeCounters(ip: XfsInode): boolean {
  return (dinodeFlags2(ip.buf.view, ip.base) & DiFlag2.NREXT64) !== 0;
}

/** Adds to the block count of the inode. */
export function addBlocks(ip: XfsInode, blocks: number): void {
  const { view } = ip.buf;
  Dinode.set.nblocks(view, ip.base, Dinode.get.nblocks(view, ip.base) + blocks);
}

/** Sets the extent count of a fork in the width that the inode has. */
export function setExtentCount(ip: XfsInode, fork: BtreeFork, count: number): void {
  const { view } = ip.buf;
  if (hasLargeCounters(ip)) {
    if (fork === 'data') DinodeLarge.set.big_nextents(view, ip.base, count);
    else DinodeLarge.set.big_anextents(view, ip.base, count);
  } else if (fork === 'data') Dinode.set.nextents(view, ip.base, count);
  else Dinode.set.anextents(view, ip.base, count);
}

/** Moves both extent counters of a v3 inode to their wide form. */
export function widenCounters(ip: XfsInode): void {
  const { view } = ip.buf;
  const data = Dinode.get.nextents(view, ip.base);
  const attr = Dinode.get.anextents(view, ip.base);
  setFlags2(ip, dinodeFlags2(view, ip.base) | DiFlag2.NREXT64);
  DinodeLarge.set.big_nextents(view, ip.base, data);
  DinodeLarge.set.big_anextents(view, ip.base, attr);
  DinodeLarge.set.nrext64_pad(view, ip.base, 0);
}

export function setForkFormat(ip: XfsInode, fork: BtreeFork, format: 'extents' | 'btree' | 'local'): void {
  const { view } = ip.buf;
  const value = format === 'extents' ? ForkFormat.EXTENTS : format === 'btree' ? ForkFormat.BTREE : ForkFormat.LOCAL;
  if (fork === 'data') Dinode.set.format(view, ip.base, value);
  else Dinode.set.aformat(view, ip.base, value);
}

/** Low word of flags2 (v3 inodes only). @throws FsError EOPNOTSUPP on an older inode */
export function setFlags2(ip: XfsInode, flags2: number): void {
  const { view } = ip.buf;
  if (view.getUint8(ip.base + Dinode.at.version) < 3) throw new FsError('EOPNOTSUPP');
  view.setUint32(ip.base + Dinode.at.flags2 + 4, flags2);
}

/** Bits of `flags`. */
export function inodeFlags(ip: XfsInode): number {
  return Dinode.get.flags(ip.buf.view, ip.base);
}

/** Bits of the low word of `flags2`. */
export function inodeFlags2(ip: XfsInode): number {
  return dinodeFlags2(ip.buf.view, ip.base);
}

/** The inode may share blocks with others. */
export function isReflinked(ip: XfsInode): boolean {
  return (inodeFlags2(ip) & DiFlag2.REFLINK) !== 0;
}

/** File size as the disk has it, in bytes. */
export function diskSize(ip: XfsInode): number {
  return Dinode.get.size(ip.buf.view, ip.base);
}

export function setDiskSize(ip: XfsInode, size: number): void {
  Dinode.set.size(ip.buf.view, ip.base, size);
}

/** Sets the named times; the encoding is the inode's own. */
export function setTimes(ip: XfsInode, time: Timestamp, ...names: ('atime' | 'mtime' | 'ctime' | 'crtime')[]): void {
  const bigtime = (inodeFlags2(ip) & DiFlag2.BIGTIME) !== 0;
  for (const name of names) writeTimestamp(ip.buf.view, ip.base + Dinode.at[name], bigtime, time);
}
