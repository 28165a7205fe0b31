/**
 * New blocks in the place of old ones at many points of a data fork in btree format, in one pass over its records:
 *
 *     record    [ o o o o o o o o ]         pieces   x at 2, y at 4-5
 *     after     [ o o ] x [ o ] y [ o o ]
 *
 * The records that come out are those of replaceExtent() for one piece after the other; what is only passed through on
 * the way, the rest of a record that the next piece cuts again, is never written.
 */
import { doubled } from '../../core/columns.ts';
import { corrupt } from '../../core/errors.ts';
import { rmapMap, rmapUnmap } from './alloc/rmap.ts';
import { editRecords, forkBefore, forkLookup } from './bmap-fork.ts';
import type { BmbtExtent } from './btree/bmbt.ts';
import type { Edits } from './btree/edit-many.ts';
import { Extent } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { logInode } from './inode-pin.ts';
import type { Trans } from './trans.ts';

/** Changes of records, sorted by file block. */
class RecordEdits implements Edits<BmbtExtent> {
  count = 0;
  private off = new Float64Array(512);
  private block = new Float64Array(512);
  private length = new Float64Array(512);
  private kind = new Uint8Array(512);

  put(e: Extent): void {
    this.add(e.off, e.block, e.count, e.unwritten ? UNWRITTEN : WRITTEN);
  }

  remove(off: number): void {
    this.add(off, 0, 0, GONE);
  }

  read(index: number, record: BmbtExtent): void {
    record.startoff = this.off[index] as number;
    record.startblock = this.block[index] as number;
    record.blockcount = this.length[index] as number;
    record.unwritten = this.kind[index] === UNWRITTEN;
  }

  removes(index: number): boolean {
    return this.kind[index] === GONE;
  }

  /** Nearly always behind the last one; of two changes of one record the later counts. */
  private add(off: number, block: number, length: number, kind: number): void {
    let at = this.count;
    while (at > 0 && (this.off[at - 1] as number) >= off) at--;
    if (at === this.count || this.off[at] !== off) {
      if (this.count === this.off.length) this.grow();
      for (const column of [this.off, this.block, this.length, this.kind]) column.copyWithin(at + 1, at, this.count);
      this.count++;
    }
    this.off[at] = off;
    this.block[at] = block;
    this.length[at] = length;
    this.kind[at] = kind;
  }

  private grow(): void {
    this.off = doubled(this.off);
    this.block = doubled(this.block);
    this.length = doubled(this.length);
    this.kind = doubled(this.kind);
  }
}

const WRITTEN = 0;
const UNWRITTEN = 1;
const GONE = 2;

const edits = new RecordEdits();

/** The record before what is worked on, which may still grow; and the record that is being cut. */
const left = new Extent();
const cut = new Extent();
const right = new Extent();
let hasLeft = false;
let leftChanged = false;
let hasCut = false;
let cutChanged = false;

/**
 * Maps the written extents pieces[0 … count), in file order, in place of real blocks; each lies within what one record
 * maps. The old blocks stay as they are. @throws FsError EUCLEAN if no record holds a piece, ENOSPC
 */
export function replaceExtents(tp: Trans, ip: XfsInode, pieces: readonly Extent[], count: number): void {
  logInode(tp, ip);
  edits.count = 0;
  hasLeft = false;
  hasCut = false;
  for (let i = 0; i < count; i++) {
    const piece = pieces[i] as Extent;
    if (!hasCut || piece.off >= cut.end) openRecord(ip, piece);
    if (piece.off < cut.off || piece.end > cut.end) throw notHeld(ip, piece);
    if (ip.mp.features.rmapbt) moveOwner(tp, ip, piece);
    replaceIn(ip, piece);
  }
  settle();
  editRecords(tp, ip, edits);
}

/** Puts what is known of the records so far among the changes. */
function settle(): void {
  if (hasLeft && leftChanged) edits.put(left);
  if (hasCut && cutChanged) edits.put(cut);
  hasLeft = false;
  hasCut = false;
}

/** Turns to the record that holds the start of `piece`. */
function openRecord(ip: XfsInode, piece: Extent): void {
  const before = hasCut ? cut : hasLeft ? left : null;
  const beforeEnd = before === null ? -1 : before.end;
  if (!forkLookup(ip, 'data', piece.off, right) || right.off > piece.off) throw notHeld(ip, piece);
  if (before !== null && beforeEnd === right.off) {
    // It may join what comes.
    if (hasCut) {
      if (hasLeft && leftChanged) edits.put(left);
      left.copyFrom(cut);
      leftChanged = cutChanged;
      hasLeft = true;
    }
    cut.copyFrom(right);
  } else {
    settle();
    cut.copyFrom(right);
    if (cut.off === piece.off && forkBefore(ip, 'data', cut.off, left)) {
      hasLeft = true;
      leftChanged = false;
    }
  }
  hasCut = true;
  cutChanged = false;
}

/** Cuts `piece` into the open record: what is before it, the piece and what is behind it. */
function replaceIn(ip: XfsInode, piece: Extent): void {
  const { off, end, block, unwritten } = cut;
  const known = !cutChanged;
  if (piece.off > off) {
    if (hasLeft && leftChanged) edits.put(left);
    left.set(off, block, piece.off - off, unwritten);
    leftChanged = true;
    hasLeft = true;
  }
  if (piece.off === off && hasLeft && left.joins(piece)) {
    left.count += piece.count;
    if (known) edits.remove(off);
  } else {
    if (hasLeft && leftChanged) edits.put(left);
    left.copyFrom(piece);
    hasLeft = true;
  }
  leftChanged = true;
  if (piece.end < end) {
    cut.set(piece.end, block + (piece.end - off), end - piece.end, unwritten);
    cutChanged = true;
    return;
  }
  hasCut = false;
  if (!forkLookup(ip, 'data', piece.end, right) || right.off !== piece.end || !left.joins(right)) return;
  edits.remove(right.off);
  cut.copyFrom(left);
  cut.count += right.count;
  hasCut = true;
  cutChanged = true;
  hasLeft = false;
}

function moveOwner(tp: Trans, ip: XfsInode, piece: Extent): void {
  const owner = { ino: ip.ino, offset: piece.off, fork: 'data', unwritten: cut.unwritten } as const;
  rmapUnmap(tp, cut.block + (piece.off - cut.off), piece.count, owner);
  rmapMap(tp, piece.block, piece.count, { ...owner, unwritten: piece.unwritten });
}

function notHeld(ip: XfsInode, piece: Extent) {
  return corrupt({
    structure: `inode ${ip.ino}, data fork`,
    field: `file block ${piece.off}`,
    rule: `no extent holds ${piece.count} blocks here`,
  });
}
