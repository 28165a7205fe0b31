/**
 * Sharing extents between files: the target's range is dropped and gets items for the same extents on disk, many in one
 * transaction with their references. Inline data are copied, into the target's leaf where all of the
 * target is inline too, else into its pages.
 *
 * Both files are clean on the device first; what may be shared with what is in core/vfs/remap.ts.
 *
 * Mirrors: fs/btrfs/reflink.c (btrfs_remap_file_range, btrfs_clone, clone_copy_inline_extent).
 */

import { FsError } from '../../core/errors.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import { step } from '../../core/steps.ts';
import { MAX_POS, roundDown, roundUp } from '../../core/units.ts';
import { checkRemapRange, type RemapKind, sameBytes } from '../../core/vfs/remap.ts';
import { FileExtent } from './file-extent.ts';
import { dropExtents, insertExtentAt, insertHole, readAt, seekExtent } from './file-extents.ts';
import { holeOnce } from './holes.ts';
import { copyInline } from './inline-copy.ts';
import type { BtrfsInode } from './inode.ts';
import { checkWritable, recordData, setTimes, touchInode } from './inode-write.ts';
import { flushRange } from './space.ts';
import { InodeItem } from './structure/inode.ts';
import { TreeCursor } from './tree/cursor.ts';
import { expand } from './truncate.ts';
import { type Steps, settle, stepwise } from './write-state.ts';

/** Linux dedupes pieces of this size: extents are cut there. */
const DEDUPE_PIECE = 16 * 1024 * 1024;
/** Extents shared in one transaction, each with cuts at its edges in the target; and items of the target dropped. */
const SHARE: Steps = { name: 'reflink', most: 128, itemsEach: 4, itemsMore: 4 };
/** Where space is short, fewer are tried at once; never fewer than this, but for one alone. */
const LEAST_SHARED = 8;
const DROP: Steps = { name: 'reflink', most: 64, itemsEach: 1, itemsMore: 4 };

const { get, set } = InodeItem;

/**
 * Shares `length` bytes (0: to the end of the source) of `source` at `sourcePos` with `target` at `pos`; less where
 * `kind` allows. Returns the bytes shared. @throws FsError EISDIR, EINVAL, EPERM, EROFS, EFBIG, ENOSPC
 */
export function reflinkInode(
  target: BtrfsInode,
  source: BtrfsInode,
  sourcePos: number,
  pos: number,
  length: number,
  kind: RemapKind = 'clone',
): number {
  const count = prepare(target, source, sourcePos, pos, length, kind);
  if (count === 0) return 0;
  const { sectorSize } = target.mp;
  touchInode(target);
  if (pos > target.size) {
    const start = roundDown(target.size, sectorSize);
    expand(target, target.size, pos);
    writeback(target, start, pos);
  }
  cloneRange(target, source, sourcePos, pos, count, true);
  flushRange(target, pos, pos + count);
  forgetPages(target, pos, count);
  return count;
}

/**
 * Shares a range if both files hold the same bytes there; null if they do not. Returns the bytes shared.
 * @throws FsError as reflinkInode()
 */
export function dedupeInode(
  target: BtrfsInode,
  source: BtrfsInode,
  sourcePos: number,
  pos: number,
  length: number,
): number | null {
  if (length === 0) {
    // Linux does not even ask the file system then: nothing is flushed.
    checkKinds(target, source);
    return 0;
  }
  const count = prepare(target, source, sourcePos, pos, length, 'dedupe');
  if (!sameBytes(source, sourcePos, target, pos, count)) return null;
  for (let done = 0; done < count; done += DEDUPE_PIECE) {
    cloneRange(target, source, sourcePos + done, pos + done, Math.min(DEDUPE_PIECE, count - done), false);
  }
  return count;
}

/** Who may share what, and both files clean; answers how many bytes. */
function prepare(
  target: BtrfsInode,
  source: BtrfsInode,
  sourcePos: number,
  pos: number,
  length: number,
  kind: RemapKind,
): number {
  checkKinds(target, source);
  checkWritable(target);
  if (source.noDataSum !== target.noDataSum) {
    throw new FsError('EINVAL', { detail: 'one of the files has no checksums' });
  }
  const { sectorSize } = target.mp;
  writeback(source);
  settle(source);
  const all = length === 0 && kind !== 'dedupe' ? roundUp(source.size, sectorSize) - sourcePos : length;
  // Where the source ends before the range, Linux flushes all that follows before it refuses.
  flushRange(target, pos, all < 0 ? MAX_POS : pos + all);
  const request = { target, source, sourcePos, pos, length, kind };
  return checkRemapRange(request, sectorSize);
}

function checkKinds(target: BtrfsInode, source: BtrfsInode): void {
  if (source.mp !== target.mp) throw new FsError('EXDEV');
  if (source.kind === 'dir' || target.kind === 'dir') throw new FsError('EISDIR');
  if (source.kind !== 'file' || target.kind !== 'file') throw new FsError('EINVAL');
}

function forgetPages(target: BtrfsInode, pos: number, count: number): void {
  const { pageSize } = target.pages;
  target.pages.invalidate(roundDown(pos, pageSize), roundUp(pos + count, pageSize));
  settle(target);
}

/** Extents of the source that one transaction shares, read before the target changes. */
const sources: FileExtent[] = [];
/** The inline one that comes next. */
let sourceExtent = new FileExtent();

/** One call of Linux's btrfs_clone(). */
interface Clone {
  readonly target: BtrfsInode;
  readonly source: BtrfsInode;
  readonly from: number;
  readonly to: number;
  /** Bytes asked for, and the same in whole blocks where the source ends. */
  readonly count: number;
  readonly length: number;
  readonly stamp: boolean;
  /** Everything of the target before this is done. */
  reached: number;
  /** Position in the source of the next extent to look at. */
  next: number;
  /** Extents tried in one transaction. */
  most: number;
}

function cloneRange(
  target: BtrfsInode,
  source: BtrfsInode,
  from: number,
  to: number,
  count: number,
  stamp: boolean,
): void {
  const { sectorSize } = target.mp;
  const length = from + count === source.size || count % sectorSize !== 0 ? roundUp(count, sectorSize) : count;
  const clone: Clone = { target, source, from, to, count, length, stamp, reached: to, next: from, most: SHARE.most };
  while (cloneSome(clone)) {
    // Extent after extent: between two, the file is what it is.
    step(clone.next - from, length);
  }
  while (clone.reached < to + length) {
    const start = clone.reached;
    clone.reached = keepingSize(target, () =>
      stepwise(target.mp, DROP, (items) => {
        const reached = holeOnce(target, start, to + length, items);
        finish(clone, reached, 0);
        return reached;
      }),
    );
  }
  target.pages.invalidate(to, to + length);
  target.mappingsChanged();
}

/** If `act` fails, the size in memory is as before, as all else. */
function keepingSize<T>(target: BtrfsInode, act: () => T): T {
  const { size } = target;
  try {
    return act();
  } catch (error) {
    if (target.size > size) target.setMemorySize(size);
    throw error;
  }
}

/** Shares some extents in one transaction; false if none is left. */
function cloneSome(clone: Clone): boolean {
  const { target } = clone;
  const { reached, next } = clone;
  let inline = false;
  const more = keepingSize(target, () =>
    stepwise(target.mp, { ...SHARE, most: clone.most }, (extents) => {
      if (extents < clone.most) clone.most = Math.max(LEAST_SHARED, clone.most / 4);
      clone.reached = reached;
      clone.next = next;
      inline = false;
      return shareSome(clone, extents, () => {
        inline = true;
      });
    }),
  );
  if (inline) cloneInline(clone);
  return more;
}

/** The transaction of cloneSome(); `atInline` is called where inline data come next. */
function shareSome(clone: Clone, most: number, atInline: () => void): boolean {
  const count = readSources(clone, most);
  const regular = count > 0 && (sources[count - 1] as FileExtent).inline ? count - 1 : count;
  const added = regular > 0 ? cloneMany(clone, regular) : 0;
  if (regular < count) {
    sourceExtent = sources[regular] as FileExtent;
    atInline();
  }
  finish(clone, clone.reached, added);
  return count > 0;
}

/** Reads the next extents of the source in the range, at most `most`, the last may be inline; returns how many. */
function readSources({ source, from, length, next }: Clone, most: number): number {
  if (next >= from + length) return 0;
  const cursor = new TreeCursor(source.root);
  try {
    let count = 0;
    let more = seekExtent(cursor, source.ino, next, sourceAt(0));
    while (more && sourceAt(count).pos < from + length) {
      const { inline, end } = sourceAt(count);
      count++;
      if (inline || count === most) break;
      // What begins before the last one ended is looked for again, as if alone.
      more = cursor.next() && readAt(cursor, source.ino, sourceAt(count)) && sourceAt(count).pos >= end;
    }
    return count;
  } finally {
    cursor.close();
  }
}

function sourceAt(index: number): FileExtent {
  let extent = sources[index];
  if (extent === undefined) {
    extent = new FileExtent();
    sources[index] = extent;
  }
  return extent;
}

/** Gives the target what the first of `sources` have of the range; returns by how much its nbytes grows. */
function cloneMany(clone: Clone, count: number): number {
  const { target, from, to, length } = clone;
  const last = sources[count - 1] as FileExtent;
  let added = -dropExtents(target, clone.reached, Math.min(last.end, from + length) - from + to).bytes;
  const cursor = new TreeCursor(target.root);
  try {
    for (let i = 0; i < count; i++) added += cloneOne(clone, sources[i] as FileExtent, cursor);
  } finally {
    cursor.close();
  }
  return added;
}

/** Gives the target the part of `extent` that lies in the range, where nothing is; returns by how much its nbytes grows. */
function cloneOne(clone: Clone, extent: FileExtent, cursor: TreeCursor): number {
  const { target, from, to, length } = clone;
  const start = Math.max(extent.pos, from);
  const end = Math.min(extent.end, from + length);
  const pos = start - from + to;
  const stop = end - from + to;
  insertHole(target, clone.reached, pos);
  clone.reached = stop;
  clone.next = extent.end;
  if (extent.hole) {
    insertHole(target, pos, stop);
    return 0;
  }
  extent.offset += start - extent.pos;
  extent.pos = pos;
  extent.length = end - start;
  insertExtentAt(target, cursor, extent, true);
  const owner = { root: target.root.id, ino: target.ino, offset: extent.refOffset };
  target.mp.refs.addData(extent.bytenr, extent.diskLength, owner, false);
  return end - start;
}

/** Records how far the target got. */
function finish({ target, to, count, stamp }: Clone, reached: number, added: number): void {
  const size = Math.min(reached, to + count);
  if (size > target.size) target.setMemorySize(size);
  recordData(target, added, (view) => {
    set.sequence(view, 0, get.sequence(view, 0) + 1);
    if (stamp) setTimes(view, target.mp.now(), 'mtime', 'ctime');
  });
}

/** The source is inline: its data begin the range. */
function cloneInline(clone: Clone): void {
  const { target, source, from, to } = clone;
  const { sectorSize } = target.mp;
  const pos = sourceExtent.pos - from + to;
  const end = pos + sourceExtent.length;
  const aligned = roundUp(end, sectorSize);
  clone.next = sourceExtent.pos + sectorSize;
  copyInline(target, source, pos, clone.reached, aligned);
  clone.reached = aligned;
  const size = Math.min(end, to + clone.count);
  if (size > target.size) target.growSize(size);
  // The pages of the range are dropped in the end: what was copied into one has to be on the disk by then.
  flushRange(target, pos, aligned);
  target.mp.change('reflink', 2, () => finish(clone, aligned, 0));
}
