/**
 * Reverse mapping records of one AG: entering and removing what an owner has. Records that continue each other in
 * blocks, file offset, owner, fork and state are one record. The same blocks may have several owners, so the record
 * that holds a mapping can sort well before it. Outcomes equal those of xfs_rmap_map, _unmap, _convert and their
 * _shared variants; here one set of rules serves all, since removing and entering again merges the same way.
 * The caller sees to the free list.
 */
import { corrupt } from '../../../core/errors.ts';
import { retire } from '../btree/ag-cursor.ts';
import type { BtreeCursor } from '../btree/cursor.ts';
import { lookupOverlap } from '../btree/overlap.ts';
import { type Rmap, type RmapSearch, rmapbtCursor } from '../btree/rmap.ts';
import type { Trans } from '../trans.ts';
import { type Owner, type OwnerFields, ownerFields } from './owner.ts';

/** Longest rmap record, in blocks. */
const MAX_LENGTH = 0xffffffff;

/** True if the offset says nothing: special owners and bmbt blocks. */
function ignoresOffset(fields: OwnerFields): boolean {
  return fields.owner < 0 || fields.bmbtBlock;
}

/** Records that the owner has `length` blocks from `agbno` on. @throws FsError EUCLEAN if it had part of them */
export function rmapInsert(
  tp: Trans,
  agno: number,
  agbno: number,
  length: number,
  owner: Exclude<Owner, 'skip'>,
): void {
  enter(tp, agno, agbno, length, ownerFields(owner, tp.mp.blockLog));
}

/** Records that it has them no longer. @throws FsError EUCLEAN if it had not all of them */
export function rmapRemove(
  tp: Trans,
  agno: number,
  agbno: number,
  length: number,
  owner: Exclude<Owner, 'skip'>,
): void {
  remove(tp, agno, agbno, length, ownerFields(owner, tp.mp.blockLog));
}

/** Changes the owner's blocks to the state that `owner.unwritten` says. @throws FsError EUCLEAN if they were not in the other */
export function rmapChangeState(
  tp: Trans,
  agno: number,
  agbno: number,
  length: number,
  owner: Exclude<Owner, 'skip'>,
): void {
  const fields = ownerFields(owner, tp.mp.blockLog);
  remove(tp, agno, agbno, length, { ...fields, unwritten: !fields.unwritten });
  enter(tp, agno, agbno, length, fields);
}

function enter(tp: Trans, agno: number, agbno: number, length: number, fields: OwnerFields): void {
  const cursor = rmapbtCursor(tp.mp, agno, tp);
  const noOffset = ignoresOffset(fields);
  const merged: Rmap = { ...fields, startblock: agbno, blockcount: length, offset: noOffset ? 0 : fields.offset };
  const joinsLeft = findLeft(cursor, merged, noOffset);
  const after = search(agbno + length, fields, noOffset ? 0 : fields.offset + length);
  if (cursor.lookup(after, 'eq')) {
    const right = cursor.get();
    if (right.unwritten === fields.unwritten && merged.blockcount + right.blockcount <= MAX_LENGTH) {
      merged.blockcount += right.blockcount;
      cursor.delete();
    }
  }
  if (!joinsLeft) cursor.insert(merged);
  else if (cursor.lookup(merged, 'eq')) cursor.update(merged);
  retire(cursor);
}

/** Extends `merged` to the left if the owner's record that ends right before it continues in it. */
function findLeft(cursor: RmapCursor, merged: Rmap, noOffset: boolean): boolean {
  const { startblock, offset, unwritten } = merged;
  if (startblock === 0 || (!noOffset && offset === 0)) return false;
  const before = search(startblock - 1, merged, noOffset ? 0 : offset - 1);
  if (!lookupOverlap(cursor, before, (record) => holds(record, before, unwritten))) return false;
  const left = cursor.get();
  if (left.startblock + left.blockcount > startblock)
    throw cursor.damage(cursor.bufs[0] ?? null, `block ${startblock} has this owner already`);
  if (left.blockcount + merged.blockcount > MAX_LENGTH) return false;
  merged.startblock = left.startblock;
  merged.offset = left.offset;
  merged.blockcount += left.blockcount;
  return true;
}

function remove(tp: Trans, agno: number, agbno: number, length: number, fields: OwnerFields): void {
  const cursor = rmapbtCursor(tp.mp, agno, tp);
  const noOffset = ignoresOffset(fields);
  const at = search(agbno, fields, noOffset ? 0 : fields.offset);
  const found = lookupOverlap(cursor, at, (record) => holds(record, at, fields.unwritten));
  const whole = found ? { ...cursor.get() } : null;
  const end = agbno + length;
  if (whole === null || whole.startblock + whole.blockcount < end) throw missing(agno, agbno, length, fields);
  const wholeEnd = whole.startblock + whole.blockcount;
  if (whole.startblock < agbno) cursor.update({ ...whole, blockcount: agbno - whole.startblock });
  else cursor.delete();
  if (wholeEnd > end) {
    const offset = noOffset ? 0 : whole.offset + (end - whole.startblock);
    cursor.insert({ ...whole, startblock: end, blockcount: wholeEnd - end, offset });
  }
  retire(cursor);
}

function search(startblock: number, fields: OwnerFields, offset: number): RmapSearch {
  return { startblock, owner: fields.owner, offset, attrFork: fields.attrFork, bmbtBlock: fields.bmbtBlock };
}

/** True if the record maps that very block of that owner at that offset, in that state. */
function holds(record: Rmap, at: RmapSearch, unwritten: boolean): boolean {
  if (
    record.owner !== at.owner ||
    record.attrFork !== at.attrFork ||
    record.bmbtBlock !== at.bmbtBlock ||
    record.unwritten !== unwritten
  )
    return false;
  const into = at.startblock - record.startblock;
  if (into < 0 || into >= record.blockcount) return false;
  return at.owner < 0 || at.bmbtBlock || record.offset + into === at.offset;
}

function missing(agno: number, agbno: number, length: number, fields: OwnerFields) {
  return corrupt({
    structure: `rmapbt of AG ${agno}`,
    rule: `no mapping of block ${agbno} length ${length} for owner ${fields.owner} at offset ${fields.offset}`,
  });
}

/** The cursor type that callers who walk the tree hold. */
export type RmapCursor = BtreeCursor<Rmap, RmapSearch>;
