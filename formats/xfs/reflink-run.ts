/**
 * Sharing many extents in one transaction, for the usual clone: the target has nothing from there on, the blocks have
 * one owner so far and lie in the order of the file. The outcome is that of sharing one extent after the other
 * (reflink.ts), but records are appended to both btrees in runs; anything out of the ordinary is left to that.
 */
import { shareFreshExtents } from './alloc/refcount.ts';
import { appendExtents, forkBefore, forkLookup } from './bmap-fork.ts';
import { bmbtCursor } from './btree/bmbt.ts';
import { Extent, MAX_EXTENT_LENGTH } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { addBlocks, diskSize, setDiskSize } from './inode-core.ts';
import type { Trans } from './trans.ts';

/** Extents of one transaction: what they add to the btrees fits what the caller reserved for single steps. */
const MOST = 1024;
/** Runs shorter than this are not worth the trouble. */
const LEAST = 8;

const before = new Extent();

/** The written extents of a part of a file, and the same blocks as their AG sees them. */
export class ReflinkRun {
  /** In file blocks of the target, blocks of the device, lengths. */
  readonly off = new Float64Array(MOST);
  readonly block = new Float64Array(MOST);
  readonly length = new Float64Array(MOST);
  count = 0;
  /** Blocks of the AG that touch are one. */
  private readonly start = new Float64Array(MOST);
  private readonly blocks = new Float64Array(MOST);
  private pieces = 0;
  private agno = -1;
  private total = 0;
  /** The source was looked at up to this file block: the run is all of it, or single steps shall deal with it. */
  private end = 0;
  private readonly source: XfsInode;
  private readonly target: XfsInode;
  private readonly cursor: ReturnType<typeof bmbtCursor> | null;

  constructor(source: XfsInode, target: XfsInode) {
    this.source = source;
    this.target = target;
    const { features } = source.mp;
    const usual = source !== target && !features.rmapbt && source.dataFork.format === 'btree';
    this.cursor = usual ? bmbtCursor(source, 'data') : null;
  }

  /**
   * Shares the source's extents from file block `from` on, no further than `stop`, with the target at `to`. Answers how
   * many blocks it got on (holes and unwritten blocks count), or 0: a single step must come first.
   * @throws FsError ENOSPC, EFBIG, EUCLEAN
   */
  share(tp: Trans, from: number, stop: number, to: number, newSize: number): number {
    const { source, target } = this;
    if (from < this.end || this.cursor === null || target.dataFork.format !== 'btree') return 0;
    if (source.delalloc.size > 0 || target.delalloc.size > 0 || forkLookup(target, 'data', to, before)) return 0;
    this.collect(this.cursor, from, stop, to - from);
    if (this.count < LEAST || this.joinsLeft(to)) return 0;
    if (!shareFreshExtents(tp, this.agno, this.start, this.blocks, this.pieces)) return 0;
    appendExtents(tp, target, this);
    addBlocks(target, this.total);
    const reached = Math.min((to + this.end - from) * target.mp.blockSize, newSize);
    if (reached > diskSize(target)) setDiskSize(target, reached);
    return this.end - from;
  }

  /** True if the first extent continues the target's last one. */
  private joinsLeft(to: number): boolean {
    if (!forkBefore(this.target, 'data', to, before)) return false;
    return before.end === this.off[0] && before.block + before.count === this.block[0] && !before.unwritten;
  }

  private collect(cursor: ReturnType<typeof bmbtCursor>, from: number, stop: number, shift: number): void {
    this.count = 0;
    this.pieces = 0;
    this.total = 0;
    this.end = stop;
    if (!cursor.lookup(from, 'le') && !cursor.lookup(from, 'ge')) return;
    do {
      const { startoff, startblock, blockcount, unwritten } = cursor.get();
      if (startoff >= stop) return;
      const off = Math.max(startoff, from);
      const length = Math.min(startoff + blockcount, stop) - off;
      if (length <= 0 || unwritten) continue;
      if (this.add(off + shift, startblock + (off - startoff), length)) continue;
      this.end = off;
      return;
    } while (cursor.next());
  }

  /** False if the run is full, or the extent lies in another AG or before the one before. */
  private add(off: number, block: number, length: number): boolean {
    const { mp } = this.source;
    const { count, pieces } = this;
    const agno = mp.fsbToAgno(block);
    const start = mp.fsbToAgbno(block);
    let touches = false;
    let joins = false;
    if (count === 0) this.agno = agno;
    else {
      const end = (this.start[pieces - 1] as number) + (this.blocks[pieces - 1] as number);
      if (agno !== this.agno || start < end) return false;
      touches = start === end;
      const last = this.length[count - 1] as number;
      joins = touches && (this.off[count - 1] as number) + last === off && last + length <= MAX_EXTENT_LENGTH;
    }
    if (!joins && count === MOST) return false;
    if (joins) this.length[count - 1] = (this.length[count - 1] as number) + length;
    else {
      this.off[count] = off;
      this.block[count] = block;
      this.length[count] = length;
      this.count++;
    }
    if (touches) this.blocks[pieces - 1] = (this.blocks[pieces - 1] as number) + length;
    else {
      this.start[pieces] = start;
      this.blocks[pieces] = length;
      this.pieces++;
    }
    this.total += length;
    return true;
  }
}
