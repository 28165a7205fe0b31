/**
 * Many freed runs entered into the free-space btrees together: joined with each other and with free neighbours in one
 * pass, then written leaf by leaf. Mirrors what freeExtent() makes of them one by one.
 */
import { doubled } from '../../../core/columns.ts';
import { retire } from '../btree/ag-cursor.ts';
import { type Edits, editMany } from '../btree/edit-many.ts';
import { bnobtCursor, cntbtCursor, type FreeExtent } from '../btree/free-space.ts';
import { Agf } from '../structure/ag.ts';
import type { Trans } from '../trans.ts';
import { addAgf } from './agfl.ts';
import type { BlockRuns } from './block-runs.ts';
import { markBusy } from './busy.ts';
import { freedTwice, updateLongest } from './free-trees.ts';
import { fixFreelist } from './freelist.ts';

/** Changes of a free-space btree. */
class FreeEdits implements Edits<FreeExtent> {
  count = 0;
  private start = new Float64Array(512);
  private length = new Float64Array(512);
  private gone = new Uint8Array(512);
  private order: number[] = [];

  clear(): void {
    this.count = 0;
    this.order.length = 0;
  }

  add(startblock: number, blockcount: number, gone: boolean): void {
    if (this.count === this.start.length) this.grow();
    this.start[this.count] = startblock;
    this.length[this.count] = blockcount;
    this.gone[this.count] = gone ? 1 : 0;
    this.order.push(this.count++);
  }

  /** Brings the changes into the order of cntbt: by length, then block. */
  sortByLength(): void {
    const { start, length } = this;
    this.order.sort(
      (a, b) => (length[a] as number) - (length[b] as number) || (start[a] as number) - (start[b] as number),
    );
  }

  read(index: number, record: FreeExtent): void {
    const at = this.order[index] as number;
    record.startblock = this.start[at] as number;
    record.blockcount = this.length[at] as number;
  }

  removes(index: number): boolean {
    return this.gone[this.order[index] as number] === 1;
  }

  private grow(): void {
    this.start = doubled(this.start);
    this.length = doubled(this.length);
    this.gone = doubled(this.gone);
  }
}

const byBlock = new FreeEdits();
const byLength = new FreeEdits();
/** Free extents that the one being built has taken in, and that start behind its start. */
const takenIn: number[] = [];

/**
 * Frees runs of blocks that have no owner left. @throws FsError EUCLEAN if a block is free already; ENOSPC if the trees
 * would split at so many places that the free list runs out, after which the transaction must be cancelled
 */
export function freeExtents(tp: Trans, runs: BlockRuns): void {
  const { mp } = tp;
  runs.sort();
  for (let from = 0; from < runs.count; ) {
    const agno = mp.fsbToAgno(runs.fsb[from] as number);
    let to = from + 1;
    while (to < runs.count && mp.fsbToAgno(runs.fsb[to] as number) === agno) to++;
    fixFreelist(tp, agno);
    const total = freeInGroup(tp, agno, runs, from, to);
    addAgf(tp, mp.agf(agno), 'freeblks', total);
    tp.sbDelta({ fdblocks: total });
    from = to;
  }
}

/** Enters runs [from, to), all of one group; answers how many blocks they are. */
function freeInGroup(tp: Trans, agno: number, runs: BlockRuns, from: number, to: number): number {
  const { mp } = tp;
  const agf = mp.agf(agno);
  const bno = bnobtCursor(mp, agno, tp, agf);
  byBlock.clear();
  byLength.clear();
  takenIn.length = 0;
  let start = 0;
  let end = 0;
  let total = 0;
  let longest = 0;
  // Between these blocks the tree has no free extent.
  let usedFrom = 1;
  let usedEnd = 0;
  for (let i = from; i < to; i++) {
    const agbno = mp.fsbToAgbno(runs.fsb[i] as number);
    const length = runs.length[i] as number;
    if (agbno < end) throw freedTwice(agno, agbno, length);
    if (agbno > end) {
      if (end > 0) enter(start, end);
      longest = Math.max(longest, end - start);
      start = agbno;
    }
    end = agbno + length;
    // Free extents that touch no run so far are looked for once.
    if (agbno < usedFrom || end >= usedEnd) {
      usedFrom = 0;
      usedEnd = Number.POSITIVE_INFINITY;
      const hasLeft = bno.lookup(agbno - 1, 'le');
      if (hasLeft) {
        const { startblock, blockcount } = bno.get();
        usedFrom = startblock + blockcount;
        if (usedFrom > agbno) throw freedTwice(agno, agbno, length);
        if (usedFrom === agbno && start === agbno) {
          start = startblock;
          byLength.add(startblock, blockcount, true);
        }
      }
      if (hasLeft ? bno.next() : bno.lookup(agbno, 'ge')) {
        const { startblock, blockcount } = bno.get();
        usedEnd = startblock;
        if (startblock < end) throw freedTwice(agno, agbno, length);
        if (startblock === end) {
          takenIn.push(startblock);
          byLength.add(startblock, blockcount, true);
          end += blockcount;
        }
      }
    }
    total += length;
    markBusy(tp, agno, agbno, length);
  }
  enter(start, end);
  longest = Math.max(longest, end - start);
  editMany(bno, byBlock);
  byLength.sortByLength();
  const cnt = cntbtCursor(mp, agno, tp, agf);
  editMany(cnt, byLength);
  if (longest > Agf.get.longest(agf.view, 0)) updateLongest(tp, agno, cnt);
  retire(bno);
  retire(cnt);
  return total;
}

/** The free extent [start, end) is complete: notes it, and those that it has taken in. */
function enter(start: number, end: number): void {
  byBlock.add(start, end - start, false);
  byLength.add(start, end - start, false);
  for (const gone of takenIn) byBlock.add(gone, 0, true);
  takenIn.length = 0;
}
