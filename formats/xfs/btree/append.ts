/**
 * Many records behind the last one of a btree. The tree is the one that inserting them one by one gives, without
 * looking for the place of each: a full leaf gives as many entries to its left neighbour as it will be asked for.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { setCount } from './block.ts';
import type { BtreeCursor } from './cursor.ts';
import { makeRoomToAppend } from './insert.ts';

/** Writes record `index` of those that are appended at byte `at`. */
export type Encode = (view: DataView, at: number, index: number) => void;

/**
 * Appends `count` records, which sort behind all that the tree has, and among themselves in the order given. For trees
 * that do not overlap. @throws FsError ENOSPC, EUCLEAN
 */
export function appendRecords<R, K>(cursor: BtreeCursor<R, K>, count: number, encode: Encode): void {
  const { recordSize } = cursor.kind;
  cursor.edge('last');
  cursor.slots[0] = cursor.count(0);
  for (let done = 0; done < count; ) {
    const used = cursor.count(0);
    const n = Math.min(cursor.maxLeafRecords - used, count - done);
    if (n === 0) {
      makeRoomToAppend(cursor, count - done);
      continue;
    }
    const { view } = cursor.bufs[0] as Buf;
    const start = cursor.recordAt(used);
    cursor.trans().modify(cursor.bufs[0] as Buf, start, n * recordSize);
    for (let i = 0; i < n; i++) encode(view, start + i * recordSize, done + i);
    setCount(cursor, 0, used + n);
    cursor.slots[0] = used + n;
    done += n;
  }
}
