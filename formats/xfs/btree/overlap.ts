/**
 * Search in an overlapping btree: records may span the wanted block although they sort far before it, so the
 * highest keys of the nodes decide which subtrees are worth a look.
 */
import type { BtreeCursor } from './cursor.ts';

/**
 * Moves to a record for which `matches` is true among those whose range of keys includes the search key; false if
 * there is none. A record that sorts after the key cannot include it. @throws FsError EUCLEAN, EIO
 */
export function lookupOverlap<R, K>(cursor: BtreeCursor<R, K>, key: K, matches: (record: R) => boolean): boolean {
  const { kind } = cursor;
  // Usually the record right before the key is it.
  if (cursor.lookup(key, 'le') && matches(cursor.get())) return true;
  // Only shared blocks have records that overlap.
  if (!cursor.mp.features.reflink) return false;
  cursor.readRoot();
  const top = cursor.levels - 1;
  for (let level = top; level >= 0; level--) cursor.slots[level] = -1;
  // Damaged nodes may lead to the same child again and again.
  let budget = cursor.mp.agSize(cursor.agno);
  let level = top;
  while (level <= top) {
    const slot = (cursor.slots[level] as number) + 1;
    cursor.slots[level] = slot;
    if (slot >= cursor.count(level)) {
      level++;
      continue;
    }
    const { view } = cursor.bufs[level] as NonNullable<(typeof cursor.bufs)[number]>;
    if (level === 0) {
      if (kind.compareRecord(view, cursor.recordAt(slot), cursor) > 0) level++;
      else if (matches(cursor.get())) return true;
      continue;
    }
    const at = cursor.keyAt(level, slot);
    if (kind.compareKey(view, at, cursor) > 0) {
      level++;
      continue;
    }
    if (kind.compareKey(view, at + kind.lowKeySize, cursor) < 0) continue;
    if (--budget < 0) throw cursor.damage(null, 'its nodes lead in circles');
    cursor.setBuf(level - 1, cursor.readBlock(cursor.pointer(level), level - 1));
    level--;
    cursor.slots[level] = -1;
  }
  return false;
}

/**
 * Shows `visit` each record that covers a block in [first, last], in order, until it answers false. The record is the
 * cursor's own object. @throws FsError EUCLEAN, EIO
 */
export function visitOverlap<R extends { readonly startblock: number; readonly blockcount: number }, K>(
  cursor: BtreeCursor<R, K>,
  first: number,
  last: number,
  visit: (record: R) => boolean,
): void {
  cursor.readRoot();
  const top = cursor.levels - 1;
  for (let level = top; level >= 0; level--) cursor.slots[level] = -1;
  let budget = cursor.mp.agSize(cursor.agno);
  for (let level = top; level <= top; ) {
    const slot = (cursor.slots[level] as number) + 1;
    cursor.slots[level] = slot;
    if (slot >= cursor.count(level)) {
      level++;
      continue;
    }
    if (level === 0) {
      const record = cursor.get();
      if (record.startblock > last) return;
      if (record.startblock + record.blockcount > first && !visit(record)) return;
      continue;
    }
    // Low and high key of an AG tree begin with a block number.
    const { view } = cursor.bufs[level] as NonNullable<(typeof cursor.bufs)[number]>;
    const at = cursor.keyAt(level, slot);
    if (view.getUint32(at) > last) return;
    if (view.getUint32(at + cursor.kind.lowKeySize) < first) continue;
    if (--budget < 0) throw cursor.damage(null, 'its nodes lead in circles');
    cursor.setBuf(level - 1, cursor.readBlock(cursor.pointer(level), level - 1));
    level--;
    cursor.slots[level] = -1;
  }
}
