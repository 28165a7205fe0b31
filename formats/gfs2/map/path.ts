/**
 * The way from a dinode down its tree of pointers to a block of the file (kernel: bmap.c, find_metapath and
 * lookup_metapath). At each level of the tree the path knows the block with the pointers, and which pointer it takes.
 *
 *     index[0] of the dinode's pointers → index[1] of an indirect block's → … → index[height - 1] is a block of the file
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import { exactUnits, labelFrom, labelOf } from '../../../core/positions.ts';
import type { Gfs2Inode } from '../inode.ts';
import { indirectOps } from '../meta-block.ts';
import { DINODE_SIZE, MAX_HEIGHT } from '../structure/dinode.ts';
import { META_SIZE, readBlockNumber } from '../structure/meta.ts';

export class MetaPath {
  /** Levels of the tree. */
  height = 0;
  /** Levels whose block is there: less than `height` where a pointer on the way is 0. */
  levels = 0;
  readonly index: Int32Array = new Int32Array(MAX_HEIGHT);
  readonly bufs: (Buf | null)[] = new Array(MAX_HEIGHT).fill(null);

  /**
   * Leads to the file block at `pos` (bytes, a label). False if the tree of the file does not reach so far.
   * @throws FsError EUCLEAN damaged, EIO
   */
  lookup(ip: Gfs2Inode, pos: number): boolean {
    this.height = ip.height;
    this.levels = 0;
    if (!this.split(ip, exactUnits(pos, ip.mp.blockSize))) return false;
    this.bufs[0] = ip.buf;
    this.levels = 1;
    this.descend(ip);
    return true;
  }

  /** Fills `index` for a block of the file; false if the tree ends before it. */
  private split(ip: Gfs2Inode, block: number | bigint): boolean {
    const { height, index } = this;
    const { pointers, dinodePointers } = ip.mp;
    if (typeof block === 'bigint') {
      const unit = BigInt(pointers);
      for (let level = height - 1; level > 0; level--) {
        index[level] = Number(block % unit);
        block = block / unit;
      }
    } else {
      for (let level = height - 1; level > 0; level--) {
        const above = Math.floor(block / pointers);
        index[level] = block - above * pointers;
        block = above;
      }
    }
    if (height === 0 || block >= dinodePointers) return false;
    index[0] = Number(block);
    return true;
  }

  /** Reads indirect blocks below what is there, to the lowest or to where a pointer is 0. Returns how many. */
  descend(ip: Gfs2Inode): number {
    const before = this.levels;
    while (this.levels < this.height) {
      const block = this.pointer(ip);
      if (block === 0) break;
      for (let level = 0; level < this.levels; level++)
        if ((this.bufs[level] as Buf).addr === block * ip.mp.blockSize)
          throw corrupt({
            structure: `indirect block of inode ${ip.ino}`,
            addr: block * ip.mp.blockSize,
            rule: 'it leads to itself',
          });
      this.bufs[this.levels++] = ip.mp.block(block, indirectOps);
    }
    return this.levels - before;
  }

  /** The pointer that the lowest level at hand takes; 0 where there is none. @throws FsError EUCLEAN outside the device */
  pointer(ip: Gfs2Inode): number {
    const level = this.levels - 1;
    const { view, addr } = this.bufs[level] as Buf;
    const at = pointerAt(level, this.index[level] as number);
    const block = readBlockNumber(view, at);
    if (block === 0 || ip.mp.validBlock(block)) return block;
    throw corrupt({
      structure: `${level === 0 ? 'dinode' : 'indirect block'} of inode ${ip.ino}`,
      addr,
      offset: at,
      field: `pointer ${this.index[level]}`,
      value: String(block),
      rule: 'outside the device',
    });
  }

  /** Blocks that lie one behind the other from the pointer on, as far as the lowest block tells. */
  extentLength(ip: Gfs2Inode): number {
    const level = this.levels - 1;
    const { view } = this.bufs[level] as Buf;
    const first = this.index[level] as number;
    const most = pointersAt(ip, level) - first;
    const block = this.pointer(ip);
    let at = pointerAt(level, first);
    const high = view.getUint32(at);
    const low = view.getUint32(at + 4);
    let count = 1;
    for (at += 8; count < most && view.getUint32(at) === high && view.getUint32(at + 4) === low + count; at += 8)
      count++;
    if (ip.mp.validBlock(block, count)) return count;
    throw corrupt({
      structure: `extent of inode ${ip.ino}`,
      field: 'block',
      value: String(block),
      rule: `${count} blocks here are outside the device`,
    });
  }

  /**
   * Moves on to the next pointer that is not 0, at or behind the path, and to the lowest level; false if there is none
   * before `end` (bytes, a label). `pos` afterwards is where it leads. @throws FsError EUCLEAN, EIO
   */
  nextData(ip: Gfs2Inode, end: number): boolean {
    // Every indirect block is one of those that the dinode counts: without that limit damage could make this endless.
    let budget = ip.mp.blocks;
    for (let level = this.levels; level < this.height; level++) this.index[level] = 0;
    for (;;) {
      const level = this.levels - 1;
      if (this.skipZeros(ip, level)) {
        if (this.position(ip) >= end) return false;
        if (this.levels === this.height) return true;
        const read = this.descend(ip);
        budget -= read;
        if (budget < 0)
          throw corrupt({ structure: `tree of inode ${ip.ino}`, rule: 'more blocks than the device has' });
        continue;
      }
      // On to the next pointer of the level above.
      this.index[level] = 0;
      if (level === 0) return false;
      this.levels--;
      this.index[level - 1] = (this.index[level - 1] as number) + 1;
    }
  }

  /** Advances this level's index to a pointer that is not 0; false if there is none. */
  private skipZeros(ip: Gfs2Inode, level: number): boolean {
    const { view } = this.bufs[level] as Buf;
    const most = pointersAt(ip, level);
    let index = this.index[level] as number;
    for (let at = pointerAt(level, index); index < most; at += 8, index++)
      if (view.getUint32(at) !== 0 || view.getUint32(at + 4) !== 0) break;
    this.index[level] = index;
    return index < most;
  }

  /** Where in the file the path leads, bytes as a label; behind a gap where the position has no name. */
  position(ip: Gfs2Inode): number {
    const { pointers, blockSize } = ip.mp;
    let block = 0;
    for (let level = 0; level < this.height; level++) block = block * pointers + (this.index[level] as number);
    if (block * blockSize < 2 ** 52) return block * blockSize;
    const exact = this.exactPosition(ip);
    return exact >= 1n << 63n ? Number.POSITIVE_INFINITY : labelFrom(exact);
  }

  /** True if the place where the path leads has a name (core/positions.ts). */
  hasName(ip: Gfs2Inode): boolean {
    return labelOf(this.exactPosition(ip)) !== null;
  }

  private exactPosition(ip: Gfs2Inode): bigint {
    let block = 0n;
    for (let level = 0; level < this.height; level++)
      block = block * BigInt(ip.mp.pointers) + BigInt(this.index[level] as number);
    return block * BigInt(ip.mp.blockSize);
  }
}

/** Byte offset of a pointer in the block of a level; 0 is the dinode. */
export function pointerAt(level: number, index: number): number {
  return (level === 0 ? DINODE_SIZE : META_SIZE) + index * 8;
}

/** How many pointers the block of a level has. */
export function pointersAt(ip: Gfs2Inode, level: number): number {
  return level === 0 ? ip.mp.dinodePointers : ip.mp.pointers;
}
