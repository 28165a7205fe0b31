/**
 * Reference counts of many runs of blocks changed together: a run that lies in one record is cut out of it, and all
 * cuts of an AG reach the btree in one pass. Runs that need more than a cut go the way of single ones.
 *
 *     record    [==================]       runs    --    ---
 *     after     [==]  [====]   [===]
 */
import { doubled } from '../../../core/columns.ts';
import { retire } from '../btree/ag-cursor.ts';
import { type Edits, editMany } from '../btree/edit-many.ts';
import type { RefcountExtent } from '../btree/refcount.ts';
import { cowKey, refcountbtCursor } from '../btree/refcount.ts';
import type { Trans } from '../trans.ts';
import type { BlockRuns } from './block-runs.ts';
import { fixFreelist } from './freelist.ts';
import { refcountDecrease, unstageCow } from './refcount.ts';
import { rmapRemove } from './rmap-records.ts';

const OWNER_COW = { special: 'cow' } as const;

/** Changes of a refcount btree; they are found in the order of their keys. */
class RefcountEdits implements Edits<RefcountExtent> {
  count = 0;
  cow = false;
  private start = new Float64Array(512);
  private length = new Float64Array(512);

  clear(cow: boolean): void {
    this.count = 0;
    this.cow = cow;
  }

  put(startblock: number, blockcount: number): void {
    if (this.count === this.start.length) this.grow();
    this.start[this.count] = startblock;
    this.length[this.count++] = blockcount;
  }

  remove(startblock: number): void {
    this.put(startblock, 0);
  }

  read(index: number, record: RefcountExtent): void {
    record.startblock = this.start[index] as number;
    record.blockcount = this.length[index] as number;
    record.refcount = this.cow ? 1 : 2;
    record.cow = this.cow;
  }

  removes(index: number): boolean {
    return this.length[index] === 0;
  }

  private grow(): void {
    this.start = doubled(this.start);
    this.length = doubled(this.length);
  }
}

const edits = new RefcountEdits();
const others: number[] = [];

/** One owner less for each run; blocks that had one are freed. @throws FsError EUCLEAN */
export function refcountDecreaseMany(tp: Trans, runs: BlockRuns): void {
  carveMany(tp, runs, false);
  for (const i of others) refcountDecrease(tp, runs.fsb[i] as number, runs.length[i] as number);
}

/** Takes runs of blocks out of CoW staging. @throws FsError EUCLEAN */
export function cowFreeMany(tp: Trans, runs: BlockRuns): void {
  const { mp } = tp;
  carveMany(tp, runs, true);
  for (const i of others) unstageCow(tp, runs.fsb[i] as number, runs.length[i] as number);
  if (!mp.features.rmapbt) return;
  for (let i = 0; i < runs.count; i++) {
    const fsb = runs.fsb[i] as number;
    const agno = mp.fsbToAgno(fsb);
    fixFreelist(tp, agno);
    rmapRemove(tp, agno, mp.fsbToAgbno(fsb), runs.length[i] as number, OWNER_COW);
  }
}

/** Cuts the runs out of records of two owners (`cow`: of staging); those that do not lie in one are left in `others`. */
function carveMany(tp: Trans, runs: BlockRuns, cow: boolean): void {
  const { mp } = tp;
  others.length = 0;
  runs.sort();
  for (let from = 0; from < runs.count; ) {
    const agno = mp.fsbToAgno(runs.fsb[from] as number);
    let to = from + 1;
    while (to < runs.count && mp.fsbToAgno(runs.fsb[to] as number) === agno) to++;
    carveInGroup(tp, agno, runs, from, to, cow);
    from = to;
  }
}

function carveInGroup(tp: Trans, agno: number, runs: BlockRuns, from: number, to: number, cow: boolean): void {
  const { mp } = tp;
  const cursor = refcountbtCursor(mp, agno, tp);
  edits.clear(cow);
  // What is left of the record that was cut last; nothing of it is in the tree yet.
  let start = 0;
  let end = 0;
  // Before here the tree does not say any more what is.
  let done = 0;
  for (let i = from; i < to; i++) {
    const agbno = mp.fsbToAgbno(runs.fsb[i] as number);
    const length = runs.length[i] as number;
    const stop = agbno + length;
    const inRest = agbno >= start && stop <= end;
    if (!inRest) {
      const key = cow ? cowKey(agbno) : agbno;
      const found = agbno >= Math.max(done, end) && (cursor.lookupNear(key) || cursor.lookup(key, 'le'));
      const record = found ? cursor.get() : null;
      const { startblock = 0, blockcount = 0 } = record ?? {};
      if (record === null || record.cow !== cow || startblock + blockcount < stop || (!cow && record.refcount !== 2)) {
        others.push(i);
        continue;
      }
      if (end > start) edits.put(start, end - start);
      if (startblock === agbno) edits.remove(startblock);
      start = startblock;
      end = startblock + blockcount;
    }
    if (agbno > start) edits.put(start, agbno - start);
    start = stop;
    done = stop;
    if (!cow) tp.unshare(agno, agbno, length);
  }
  if (end > start) edits.put(start, end - start);
  editMany(cursor, edits);
  retire(cursor);
}
