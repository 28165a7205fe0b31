/**
 * Cursors of AG btrees, lent and given back: making one costs more than a lookup, and every allocation needs half a
 * dozen of them.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import type { XfsMount } from '../mount.ts';
import type { Trans } from '../trans.ts';
import { BtreeCursor } from './cursor.ts';
import type { BtreeKind } from './kind.ts';

/** Cursors of a kind that are kept. */
const MAX_IDLE = 4;

/** A cursor of an AG btree, perhaps one that was retired. `buf` is the AG header with the root. */
export function agCursor<R, K>(
  kind: BtreeKind<R, K>,
  mp: XfsMount,
  tp: Trans | null,
  agno: number,
  buf: Buf,
): BtreeCursor<R, K> {
  const idle = mp.idleCursors.get(kind)?.pop();
  if (idle !== undefined) return (idle as BtreeCursor<R, K>).aim(tp, agno, buf);
  return new BtreeCursor<R, K>(kind, mp, tp, { agno, buf });
}

/** Closes a cursor of an AG btree for good: neither it nor the record it gave may be used any more. */
export function retire<R, K>(cursor: BtreeCursor<R, K>): void {
  cursor.close();
  const { idleCursors } = cursor.mp;
  const idle = idleCursors.get(cursor.kind);
  if (idle === undefined) idleCursors.set(cursor.kind, [cursor]);
  else if (idle.length < MAX_IDLE) idle.push(cursor);
}
