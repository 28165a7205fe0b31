/**
 * Walking the index of a directory: a tree of blocks whose leaves, the directory's own blocks, hold names in order of
 * their hashes, though not sorted inside. An entry with the lowest bit of its hash set goes on with the hash before.
 *
 * Mirrors: fs/ext4/namei.c (dx_probe, ext4_htree_next_block).
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import type { Ext4Inode } from '../inode.ts';
import { DirEntryHeader, DX_BLOCK_MASK, DX_INFO_AT, DxCountLimit, DxEntry, DxRootInfo } from '../structure/dir.ts';
import { readIndex } from './block.ts';
import { badDir, hasHashInEntries, hasherFor } from './form.ts';
import { HashVersion, type NameHasher } from './hash.ts';

/** One block of the index on the way down, and which of its entries was taken. */
export interface IndexFrame {
  readonly block: number;
  readonly buf: Buf;
  /** Where its entries begin. */
  readonly entries: number;
  slot: number;
}

/** A place in an index, from the root down to the entry of a leaf. */
export class IndexPath {
  readonly dir: Ext4Inode;
  readonly frames: IndexFrame[] = [];
  /** What names are hashed with; siphash can be done by nobody without the key. */
  readonly hasher: NameHasher;
  levels: number;

  /** @throws FsError EUCLEAN, EIO */
  constructor(dir: Ext4Inode) {
    this.dir = dir;
    const root = readIndex(dir, 0);
    const version = DxRootInfo.get.hash_version(root.view, DX_INFO_AT);
    const siphash = hasHashInEntries(dir);
    if (siphash ? version !== HashVersion.SIPHASH : version > HashVersion.TEA)
      throw this.bad(root, 'hash_version', version, 'no hash of this directory');
    const flags = DxRootInfo.get.unused_flags(root.view, DX_INFO_AT);
    if ((flags & 1) !== 0) throw this.bad(root, 'unused_flags', flags, 'not 0');
    this.levels = DxRootInfo.get.indirect_levels(root.view, DX_INFO_AT);
    const most = dir.mp.incompat('large_dir') ? 2 : 1;
    if (this.levels > most) throw this.bad(root, 'indirect_levels', this.levels, `> ${most}`);
    this.hasher = hasherFor(dir.mp, version);
  }

  /** Goes down to the leaf where a hash would be. @throws FsError EUCLEAN, EIO */
  seek(major: number): void {
    this.frames.length = 0;
    for (let block = 0; ; block = this.blockAt(this.frames.length - 1)) {
      if (this.frames.length > this.levels) return;
      const frame = this.frame(block);
      const count = DxCountLimit.get.count(frame.buf.view, frame.entries);
      let low = 1;
      let high = count;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (hashIn(frame, middle) > major) high = middle;
        else low = middle + 1;
      }
      frame.slot = low - 1;
      this.frames.push(frame);
    }
  }

  /** The directory block of the leaf. */
  get leaf(): number {
    return this.blockAt(this.frames.length - 1);
  }

  /** The hash from which the next leaf on holds, or -1 behind the last. */
  get nextHash(): number {
    for (let level = this.frames.length - 1; level >= 0; level--) {
      const frame = this.frames[level] as IndexFrame;
      if (frame.slot + 1 < DxCountLimit.get.count(frame.buf.view, frame.entries)) return hashIn(frame, frame.slot + 1);
    }
    return -1;
  }

  /** Goes on to the next leaf; false behind the last. @throws FsError EUCLEAN, EIO */
  next(): boolean {
    let level = this.frames.length - 1;
    for (; level >= 0; level--) {
      const frame = this.frames[level] as IndexFrame;
      if (frame.slot + 1 >= DxCountLimit.get.count(frame.buf.view, frame.entries)) continue;
      frame.slot++;
      break;
    }
    if (level < 0) return false;
    this.frames.length = level + 1;
    while (this.frames.length <= this.levels) this.frames.push(this.frame(this.blockAt(this.frames.length - 1)));
    return true;
  }

  private frame(block: number): IndexFrame {
    // A block that leads to itself would be walked for ever.
    if (this.frames.some((above) => above.block === block)) throw badDir(this.dir, 'the index contains itself');
    const buf = readIndex(this.dir, block);
    return { block, buf, entries: block === 0 ? DX_INFO_AT + DxRootInfo.size : DirEntryHeader.size, slot: 0 };
  }

  private blockAt(level: number): number {
    const frame = this.frames[level];
    if (frame === undefined) return 0;
    return (DxEntry.get.block(frame.buf.view, frame.entries + frame.slot * DxEntry.size) & DX_BLOCK_MASK) >>> 0;
  }

  private bad(root: Buf, field: keyof typeof DxRootInfo.at, value: number, rule: string): Error {
    const offset = DX_INFO_AT + DxRootInfo.at[field];
    return badDir(this.dir, rule, { addr: root.addr, offset, field, value: String(value) });
  }
}

function hashIn(frame: IndexFrame, slot: number): number {
  return DxEntry.get.hash(frame.buf.view, frame.entries + slot * DxEntry.size);
}
