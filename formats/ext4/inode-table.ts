/**
 * The inodes in use, by number: there is one object for an inode as long as anybody holds it. Those that nobody seems to
 * need are held weakly once there are many, so that memory stays bounded by what is in use.
 */
import { corrupt, FsError } from '../../core/errors.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { Ext4Inode } from './inode.ts';
import { inodeDamage, tableBlockOps } from './inode-check.ts';
import type { Ext4Mount } from './mount.ts';
import { DiskInode } from './structure/inode.ts';

const MAX_HELD = 8192;

export class InodeTable {
  private readonly mp: Ext4Mount;
  private readonly fs: Filesystem;
  private readonly slots = new Map<number, Ext4Inode | WeakRef<Ext4Inode>>();
  private held = 0;
  private limit = MAX_HELD;

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
    this.slots.delete(ino);
  }

  private any(ino: number): Ext4Inode {
    const known = this.peek(ino);
    if (known !== null) return known;
    const inode = this.read(ino);
    // What was never written, or freed, has no mode and no links.
    if (inode.nlink === 0 && DiskInode.get.mode(inode.view, inode.base) === 0)
      throw new FsError('ENOENT', { detail: `inode ${ino} is free` });
    const fault = inodeDamage(inode);
    if (fault !== null) throw corrupt(fault);
    this.add(inode);
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

  private peek(ino: number): Ext4Inode | null {
    const slot = this.slots.get(ino);
    if (slot === undefined) return null;
    if (slot instanceof Ext4Inode) return slot;
    const inode = slot.deref();
    if (inode === undefined) return null;
    this.slots.set(ino, inode);
    this.held++;
    return inode;
  }

  private add(inode: Ext4Inode): void {
    if (this.held >= this.limit) this.prune();
    this.slots.set(inode.ino, inode);
    this.held++;
  }

  /** Lets go of the older half of what nobody needs; who still has such an inode keeps the only one there is. */
  private prune(): void {
    let drop = this.held / 2;
    for (const [ino, slot] of this.slots) {
      if (!(slot instanceof Ext4Inode)) {
        if (slot.deref() === undefined) this.slots.delete(ino);
      } else if (drop > 0 && !slot.needed) {
        this.slots.set(ino, new WeakRef(slot));
        this.held--;
        drop--;
      }
    }
    // When most of them must stay, the next look waits until there are twice as many.
    this.limit = Math.max(MAX_HELD, this.held * 2);
  }
}

const hex = (value: number): string => `0x${value.toString(16)}`;
