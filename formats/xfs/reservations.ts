/**
 * The extents of a file that exist in memory only: delayed allocations of the data fork, and the whole CoW fork
 * (delayed, allocated but unwritten, and written but not yet remapped). Linux keeps them in its in-core extent
 * tree; here they are columns in chunks, so that 100,000 small reservations stay cheap and no object is kept.
 *
 * Invariants: extents are sorted and disjoint; a chunk is never empty; `indlen` of a delayed extent is the number
 * of blocks reserved for bmap btree blocks besides its own `count` (0 for others).
 *
 * Mirrors: fs/xfs/libxfs/xfs_iext_tree.c in purpose.
 */
import { DELAY, type Extent } from './extent.ts';

/** Extents of a full chunk; most files never have more than a few, so the first chunk starts small. */
const CAPACITY = 256;
const FIRST_CAPACITY = 4;

interface Chunk {
  length: number;
  readonly off: Float64Array;
  readonly block: Float64Array;
  readonly count: Float64Array;
  readonly unwritten: Uint8Array;
  readonly indlen: Float64Array;
}

function newChunk(capacity = CAPACITY): Chunk {
  return {
    length: 0,
    off: new Float64Array(capacity),
    block: new Float64Array(capacity),
    count: new Float64Array(capacity),
    unwritten: new Uint8Array(capacity),
    indlen: new Float64Array(capacity),
  };
}

/** A full-sized chunk with the extents of `from`. */
function grown(from: Chunk): Chunk {
  const chunk = newChunk();
  chunk.length = from.length;
  chunk.off.set(from.off);
  chunk.block.set(from.block);
  chunk.count.set(from.count);
  chunk.unwritten.set(from.unwritten);
  chunk.indlen.set(from.indlen);
  return chunk;
}

/** Moves the extents from `from` on; most changes are at the end, where none are. */
function move(c: Chunk, from: number, to: number): void {
  if (from >= c.length) return;
  c.off.copyWithin(to, from, c.length);
  c.block.copyWithin(to, from, c.length);
  c.count.copyWithin(to, from, c.length);
  c.unwritten.copyWithin(to, from, c.length);
  c.indlen.copyWithin(to, from, c.length);
}

/** First chunks that are not in use: small files come and go by the thousand. */
const spare: Chunk[] = [];
const MAX_SPARE = 1024;

export class Reservations {
  /** Number of extents. */
  size = 0;
  /** Blocks in all extents (without indlen). */
  blocks = 0;
  private chunks: Chunk[] = [];
  // Position found by the last search.
  private chunk = 0;
  private index = 0;

  /** The extent that holds `off`, or the first one after it. */
  lookup(off: number, out: Extent): boolean {
    if (this.size === 0) return false;
    this.seekBefore(off + 1);
    if (this.index >= 0) {
      const c = this.chunks[this.chunk] as Chunk;
      if ((c.off[this.index] as number) + (c.count[this.index] as number) > off) return this.read(out);
    }
    return this.step(1) && this.read(out);
  }

  /** The last extent that starts before `off`. */
  before(off: number, out: Extent): boolean {
    if (this.size === 0) return false;
    this.seekBefore(off);
    return this.index >= 0 && this.read(out);
  }

  /** Blocks reserved for the btree by the delayed extent that starts at `off`. */
  indlenAt(off: number): number {
    this.find(off);
    return (this.chunks[this.chunk] as Chunk).indlen[this.index] as number;
  }

  /** Adds an extent that overlaps no other. */
  insert(e: Extent, indlen: number): void {
    if (this.chunks.length === 0) this.chunks.push(spare.pop() ?? newChunk(FIRST_CAPACITY));
    this.seekBefore(e.off);
    let c = this.chunks[this.chunk] as Chunk;
    if (c.length === c.off.length && c.length < CAPACITY) {
      c = grown(c);
      this.chunks[this.chunk] = c;
    }
    let at = this.index + 1;
    if (c.length === CAPACITY) {
      this.split(this.chunk);
      const half = (this.chunks[this.chunk] as Chunk).length;
      if (at > half) {
        this.chunk++;
        at -= half;
      }
      c = this.chunks[this.chunk] as Chunk;
    }
    move(c, at, at + 1);
    c.length++;
    this.index = at;
    this.size++;
    this.blocks += e.count;
    this.write(c, at, e, indlen);
  }

  /** Replaces the extent that starts at `off`; the new one stays between its neighbours. */
  replace(off: number, e: Extent, indlen: number): void {
    this.find(off);
    const c = this.chunks[this.chunk] as Chunk;
    this.blocks += e.count - (c.count[this.index] as number);
    this.write(c, this.index, e, indlen);
  }

  /** Removes the extent that starts at `off`. */
  remove(off: number): void {
    this.find(off);
    const c = this.chunks[this.chunk] as Chunk;
    const at = this.index;
    this.blocks -= c.count[at] as number;
    this.size--;
    if (c.length === 1) {
      this.chunks.splice(this.chunk, 1);
      c.length = 0;
      if (c.off.length === FIRST_CAPACITY && spare.length < MAX_SPARE) spare.push(c);
      return;
    }
    move(c, at + 1, at);
    c.length--;
  }

  /** A copy of everything, to give back with restore() when a transaction is cancelled. */
  save(): readonly Chunk[] {
    return this.chunks.map((c) => ({
      length: c.length,
      off: c.off.slice(),
      block: c.block.slice(),
      count: c.count.slice(),
      unwritten: c.unwritten.slice(),
      indlen: c.indlen.slice(),
    }));
  }

  private write(c: Chunk, at: number, e: Extent, indlen: number): void {
    c.off[at] = e.off;
    c.block[at] = e.block;
    c.count[at] = e.count;
    c.unwritten[at] = e.unwritten ? 1 : 0;
    c.indlen[at] = e.block === DELAY ? indlen : 0;
  }

  private read(out: Extent): true {
    const c = this.chunks[this.chunk] as Chunk;
    const i = this.index;
    out.off = c.off[i] as number;
    out.block = c.block[i] as number;
    out.count = c.count[i] as number;
    out.unwritten = c.unwritten[i] === 1;
    return true;
  }

  private step(by: 1): boolean {
    this.index += by;
    if (this.index < (this.chunks[this.chunk] as Chunk).length) return true;
    this.chunk++;
    this.index = 0;
    return this.chunk < this.chunks.length;
  }

  /** Position of the last extent that starts before `off`; index -1 (in chunk 0) when there is none. */
  private seekBefore(off: number): void {
    const chunks = this.chunks;
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (((chunks[mid] as Chunk).off[0] as number) < off) low = mid;
      else high = mid - 1;
    }
    this.chunk = low;
    const c = chunks[low] as Chunk;
    let from = -1;
    let to = c.length - 1;
    while (from < to) {
      const mid = (from + to + 1) >> 1;
      if ((c.off[mid] as number) < off) from = mid;
      else to = mid - 1;
    }
    this.index = from;
  }

  private find(off: number): void {
    if (this.size > 0) {
      this.seekBefore(off + 1);
      if (this.index >= 0 && (this.chunks[this.chunk] as Chunk).off[this.index] === off) return;
    }
    throw new Error(`no reservation starts at file block ${off}`);
  }

  private split(at: number): void {
    const left = this.chunks[at] as Chunk;
    const right = newChunk();
    const half = left.length >> 1;
    right.off.set(left.off.subarray(half, left.length));
    right.block.set(left.block.subarray(half, left.length));
    right.count.set(left.count.subarray(half, left.length));
    right.unwritten.set(left.unwritten.subarray(half, left.length));
    right.indlen.set(left.indlen.subarray(half, left.length));
    right.length = left.length - half;
    left.length = half;
    this.chunks.splice(at + 1, 0, right);
  }
}
