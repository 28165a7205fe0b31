/**
 * The tags of fast commits that are to be replayed after a journal (kernel: fs/ext4/fast_commit.c, ext4_fc_replay_scan).
 * A crash may leave the last fast commit unfinished, and behind it what older ones wrote: those up to the last good
 * tail count.
 */

import { corrupt, FsError } from '../../../core/errors.ts';
import { crc32cRaw } from '../checksum.ts';
import { NAME_MAX } from '../structure/dir.ts';
import {
  FC_TAG_SIZE,
  FcAddRange,
  FcDelRange,
  FcDentry,
  FcHead,
  FcInode,
  FcTag,
  FcTail,
} from '../structure/fast-commit.ts';
import { GOOD_OLD_INODE_SIZE } from '../structure/inode.ts';
import type { Journal } from './superblock.ts';

/** One thing that was done. */
export interface FastTag {
  readonly tag: number;
  readonly value: DataView;
  /** Place in the journal of the block that it is in. */
  readonly at: number;
}

/**
 * The tags of the fast commits of transaction `tid`, which is the first that the journal itself does not have.
 * @throws FsError EUCLEAN damaged, EOPNOTSUPP with features that nobody here knows, EIO
 */
export function fastCommitTags(journal: Journal, tid: number, inodeSize: number): FastTag[] {
  const scan = new FastScan(tid, inodeSize);
  for (let at = journal.fastFirst; at < journal.fastEnd && at !== 0; at++) {
    const block = journal.area.read(at);
    const view = new DataView(block.buffer);
    if (at === journal.fastFirst && view.getUint16(0, true) !== FcTag.HEAD) break;
    const fault = scan.block(view, at);
    if (fault === 'end') break;
    if (fault === null) continue;
    throw corrupt({ structure: 'fast commit', addr: journal.area.addr(at), rule: fault });
  }
  return scan.good();
}

class FastScan {
  private readonly tid: number;
  private readonly inodeSize: number;
  private readonly tags: FastTag[] = [];
  /** How many of them a good tail vouches for. */
  private vouched = 0;
  private sum = 0;

  constructor(tid: number, inodeSize: number) {
    this.tid = tid;
    this.inodeSize = inodeSize;
  }

  good(): FastTag[] {
    return this.tags.slice(0, this.vouched);
  }

  /** Takes one block; null to go on, or why it is the last. */
  block(view: DataView, at: number): string | null {
    const end = view.byteLength;
    for (let pos = 0; pos <= end - FC_TAG_SIZE; ) {
      const tag = view.getUint16(pos, true);
      const length = view.getUint16(pos + 2, true);
      const from = pos + FC_TAG_SIZE;
      if (length > end - from || !this.fits(tag, length)) return this.vouched > 0 ? 'end' : `no tag at ${pos}`;
      const value = new DataView(view.buffer, view.byteOffset + from, length);
      const whole = new Uint8Array(view.buffer, view.byteOffset + pos, FC_TAG_SIZE + length);
      const fault = this.take(tag, value, whole, at);
      if (fault !== null) return fault;
      pos = from + length;
    }
    return null;
  }

  private take(tag: number, value: DataView, whole: Uint8Array, at: number): string | null {
    if (tag === FcTag.HEAD) {
      const features = FcHead.get.features(value, 0);
      if (features !== 0)
        throw new FsError('EOPNOTSUPP', { detail: `unknown features of fast commits: 0x${features.toString(16)}` });
      if (FcHead.get.tid(value, 0) !== this.tid) return 'end';
    }
    this.tags.push({ tag, value, at });
    if (tag !== FcTag.TAIL) {
      this.sum = crc32cRaw(this.sum, whole);
      return null;
    }
    const sum = crc32cRaw(this.sum, whole.subarray(0, FC_TAG_SIZE + FcTail.at.crc));
    this.sum = 0;
    if (FcTail.get.tid(value, 0) !== this.tid || FcTail.get.crc(value, 0) !== sum)
      return this.vouched > 0 ? 'end' : 'checksum';
    this.vouched = this.tags.length;
    return null;
  }

  private fits(tag: number, length: number): boolean {
    if (tag === FcTag.ADD_RANGE) return length === FcAddRange.size;
    if (tag === FcTag.DEL_RANGE) return length === FcDelRange.size;
    if (tag === FcTag.CREAT || tag === FcTag.LINK || tag === FcTag.UNLINK)
      return length > FcDentry.size && length <= FcDentry.size + NAME_MAX;
    if (tag === FcTag.INODE)
      return length >= FcInode.size + GOOD_OLD_INODE_SIZE && length <= FcInode.size + this.inodeSize;
    return (
      tag === FcTag.PAD ||
      (tag === FcTag.TAIL && length >= FcTail.size) ||
      (tag === FcTag.HEAD && length === FcHead.size)
    );
  }
}

/** The name in the value of a tag about a directory's entry. */
export function entryName(value: DataView): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset + FcDentry.size, value.byteLength - FcDentry.size);
}
