/**
 * Many changes of one btree. Those that fall into one leaf are merged with its records in a single pass, while the leaf
 * neither overflows nor gets too empty; a change that needs a tree of another shape is made alone, as a cursor makes it,
 * except that a full leaf gives its neighbour at once what the changes to come would push there one by one.
 *
 *     leaf      a b c f g          changes   −b +d +e
 *     after     a c d e f g
 *
 * For trees whose keys do not overlap.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { setCount } from './block.ts';
import type { BtreeCursor } from './cursor.ts';
import { makeRoomForMore } from './insert.ts';
import { updateKeys } from './keys.ts';

/** Records of the largest leaf, twice over. */
const SCRATCH = 2 * 65536;
const scratch = new Uint8Array(SCRATCH);
const scratchView = new DataView(scratch.buffer);

/** Changes of a tree, of which change `i` sorts before change `i + 1`. */
export interface Edits<R> {
  readonly count: number;
  /** Fills `record` with the key (and the rest, unless it is a removal) of change `index`. */
  read(index: number, record: R): void;
  /** True if the record with this key goes; else it is put in, or takes the place of the one that has its key. */
  removes(index: number): boolean;
}

/** Makes the changes; answers how many records the tree has more. @throws FsError ENOSPC, EUCLEAN */
export function editMany<R, K>(cursor: BtreeCursor<R, K>, edits: Edits<R>): number {
  const record = cursor.kind.createRecord();
  let more = 0;
  for (let at = 0; at < edits.count; ) {
    const before = descendTo(cursor, edits, at, record);
    const n = before < 0 ? 0 : editLeaf(cursor, edits, at, record);
    if (n > 0) more += cursor.count(0) - before;
    else more += editOne(cursor, edits, at, record);
    at += Math.max(n, 1);
  }
  return more;
}

/** Goes to the leaf for change `at`, to its last record at or before the key; answers how many records it has. */
function descendTo<R, K>(cursor: BtreeCursor<R, K>, edits: Edits<R>, at: number, record: R): number {
  edits.read(at, record);
  cursor.kind.setKeyOfRecord(cursor, record);
  cursor.seek('le');
  return cursor.count(0);
}

/** Makes as many changes from `at` on as the leaf here takes; answers how many. */
function editLeaf<R, K>(cursor: BtreeCursor<R, K>, edits: Edits<R>, at: number, record: R): number {
  const { kind } = cursor;
  const { recordSize } = kind;
  const leaf = cursor.bufs[0] as Buf;
  const { view, bytes } = leaf;
  const count = cursor.count(0);
  const least = cursor.levels === 1 ? 0 : cursor.minRecords(0);
  const most = cursor.maxRecords(0);
  let slot = Math.max(0, cursor.slots[0] as number);
  if (slot < count && kind.compareRecord(view, cursor.recordAt(slot), cursor) < 0) slot++;
  const first = slot;
  let out = 0;
  let taken = 0;
  let takenOut = 0;
  let takenSlot = slot;
  for (let i = at; i < edits.count; i++) {
    edits.read(i, record);
    kind.setKeyOfRecord(cursor, record);
    if (i > at && !belongsHere(cursor)) break;
    const from = slot;
    while (slot < count && kind.compareRecord(view, cursor.recordAt(slot), cursor) < 0) slot++;
    copyRecords(bytes, cursor.recordAt(from), out * recordSize, (slot - from) * recordSize);
    out += slot - from;
    const known = slot < count && kind.compareRecord(view, cursor.recordAt(slot), cursor) === 0;
    if (known) slot++;
    if (edits.removes(i)) {
      if (!known) throw cursor.damage(leaf, 'a record that shall go is not there');
    } else kind.encode(scratchView, out++ * recordSize, record);
    const total = first + out + (count - slot);
    if (total > most || (total < least && total < count)) break;
    taken = i + 1 - at;
    takenOut = out;
    takenSlot = slot;
  }
  if (taken > 0) replaceRecords(cursor, first, takenSlot, takenOut);
  return taken;
}

/** True if the search key sorts before all that the leaves behind this one hold. */
function belongsHere<R, K>(cursor: BtreeCursor<R, K>): boolean {
  for (let level = 1; level < cursor.levels; level++) {
    const next = (cursor.slots[level] as number) + 1;
    if (next >= cursor.count(level)) continue;
    return cursor.kind.compareKey((cursor.bufs[level] as Buf).view, cursor.keyAt(level, next), cursor) > 0;
  }
  return true;
}

function copyRecords(bytes: Uint8Array, from: number, to: number, length: number): void {
  if (length > 0) scratch.set(bytes.subarray(from, from + length), to);
}

/** Puts `fresh` records of the scratch memory in the place of those in slots [first, last). */
function replaceRecords<R, K>(cursor: BtreeCursor<R, K>, first: number, last: number, fresh: number): void {
  const { recordSize } = cursor.kind;
  const leaf = cursor.bufs[0] as Buf;
  const count = cursor.count(0);
  const total = count - (last - first) + fresh;
  const at = cursor.recordAt(first);
  const stop = total === count ? cursor.recordAt(last) : cursor.recordAt(Math.max(total, count));
  if (stop > at) cursor.trans().modify(leaf, at, stop - at);
  if (total !== count) {
    leaf.bytes.copyWithin(cursor.recordAt(first + fresh), cursor.recordAt(last), cursor.recordAt(count));
    setCount(cursor, 0, total);
  }
  leaf.bytes.set(scratch.subarray(0, fresh * recordSize), at);
  cursor.slots[0] = first;
  if (first === 0 && total > 0) updateKeys(cursor, 0);
}

/** Makes one change as if it were the only one; answers how many records the tree has more. */
function editOne<R, K>(cursor: BtreeCursor<R, K>, edits: Edits<R>, at: number, record: R): number {
  edits.read(at, record);
  cursor.kind.setKeyOfRecord(cursor, record);
  const known = cursor.seek('eq');
  if (edits.removes(at)) {
    if (!known) throw cursor.damage(cursor.bufs[0] ?? null, 'a record that shall go is not there');
    cursor.delete();
    return -1;
  }
  if (known) {
    cursor.update(record);
    return 0;
  }
  makeRoomForMore(cursor, comingHere(cursor, edits, at, record));
  edits.read(at, record);
  cursor.insert(record);
  return 1;
}

/** Records that are put into the leaf here from change `at` on, as far as it is worth looking. */
function comingHere<R, K>(cursor: BtreeCursor<R, K>, edits: Edits<R>, at: number, record: R): number {
  // Trees of an AG even out with their neighbours anyway.
  if (cursor.inode === null) return 1;
  let coming = 1;
  const stop = Math.min(edits.count, at + (cursor.maxLeafRecords >> 1));
  for (let i = at + 1; i < stop; i++) {
    if (edits.removes(i)) continue;
    edits.read(i, record);
    cursor.kind.setKeyOfRecord(cursor, record);
    if (!belongsHere(cursor)) break;
    coming++;
  }
  return coming;
}
