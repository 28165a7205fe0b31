/** The inodes in use, by number. */
import { corrupt, FsError } from '../../core/errors.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { HeldInodes } from '../../core/vfs/held-inodes.ts';
import { Ext4Inode } from './inode.ts';
import { inodeDamage, tableBlockOps } from './inode-check.ts';
import type { Ext4Mount } from './mount.ts';
import { DiskInode } from './structure/inode.ts';

export class InodeTable {
  private readonly mp: Ext4Mount;
  private readonly fs: Filesystem;
  private readonly held = new HeldInodes<Ext4Inode>();

  constructor(mp: Ext4Mount, fs: Filesystem) {
    this.mp = mp;
    this.fs = fs;
  }

  /** The inode with this number. @throws FsError ENOENT free, EINVAL no number of this image, EUCLEAN damaged */
  get(ino: number): Ext4Inode {
    const inode = this.any(ino);
    if (!inode.has('EA_INODE')) return inode;
    throw corrupt({ structure: `inode ${ino}`, field: 'flags', value: hex(inode.flags), rule: 'holds an attribute' });
  }

  /** The inode's bytes are no longer those that an object was made for. */
  forget(ino: number): void {
    this.held.forget(ino);
  }

  private any(ino: number): Ext4Inode {
    const known = this.held.get(ino);
    if (known !== null) return known;
    const inode = this.read(ino);
    // What was never written, or freed, has no mode and no links.
    if (inode.nlink === 0 && DiskInode.get.mode(inode.view, inode.base) === 0)
      throw new FsError('ENOENT', { detail: `inode ${ino} is free` });
    const fault = inodeDamage(inode);
    if (fault !== null) throw corrupt(fault);
    this.held.add(inode);
    return inode;
  }

  /** The inode with this number, which must hold the value of an attribute. @throws FsError as get() */
  getValueInode(ino: number): Ext4Inode {
    const inode = this.any(ino);
    if (inode.has('EA_INODE') && inode.fileAcl === 0) return inode;
    throw corrupt({ structure: `inode ${ino}`, field: 'flags', value: hex(inode.flags), rule: 'holds no attribute' });
  }

  /** The window on an inode's bytes, whatever they are. @throws FsError EINVAL no number of this image, EUCLEAN, EIO */
  read(ino: number): Ext4Inode {
    const { mp } = this;
    if (!mp.validIno(ino)) throw new FsError('EINVAL', { detail: `${ino} is no inode number of this image` });
    const index = (ino - 1) % mp.inodesPerGroup;
    const block = mp.groups.inodeTable(mp.groupOfIno(ino)) + Math.floor(index / mp.inodesPerBlock);
    const buf = mp.block(block, tableBlockOps);
    return new Ext4Inode(mp, this.fs, ino, buf, (index % mp.inodesPerBlock) * mp.inodeSize);
  }
}

const hex = (value: number): string => `0x${value.toString(16)}`;
