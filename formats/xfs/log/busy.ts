/**
 * Blocks that committed transactions freed but whose freeing is not on disk yet. Were they given to another file and
 * written, a crash would leave the old owner, which the disk still knows, with the new owner's bytes.
 * Mirrors xfs_extent_busy.c in purpose; here one bit a block, in chunks that exist only where something is busy, so
 * that freeing 100,000 scattered blocks costs no search.
 */

const CHUNK_BITS = 1 << 14;
const CHUNK_WORDS = CHUNK_BITS / 32;

type Group = Map<number, Uint32Array>;

/** Busy blocks by allocation group. */
export class BusyExtents {
  private readonly groups = new Map<number, Group>();

  /** Nothing is busy: the usual case, and quick to ask. */
  get empty(): boolean {
    return this.groups.size === 0;
  }

  add(agno: number, agbno: number, length: number): void {
    let group = this.groups.get(agno);
    if (group === undefined) {
      group = new Map();
      this.groups.set(agno, group);
    }
    const end = agbno + length;
    for (let block = agbno; block < end; ) {
      const index = Math.floor(block / CHUNK_BITS);
      let chunk = group.get(index);
      if (chunk === undefined) {
        chunk = new Uint32Array(CHUNK_WORDS);
        group.set(index, chunk);
      }
      const stop = Math.min(end, (index + 1) * CHUNK_BITS);
      setBits(chunk, block - index * CHUNK_BITS, stop - index * CHUNK_BITS);
      block = stop;
    }
  }

  /** The first busy part of a range, or null if all of it may be used. */
  overlap(agno: number, agbno: number, length: number): { agbno: number; length: number } | null {
    const group = this.groups.get(agno);
    if (group === undefined) return null;
    const end = agbno + length;
    const start = find(group, agbno, end, 0);
    if (start >= end) return null;
    return { agbno: start, length: find(group, start, end, -1) - start };
  }

  /** The freeings are on disk. */
  clear(): void {
    this.groups.clear();
  }
}

function setBits(chunk: Uint32Array, from: number, to: number): void {
  for (let bit = from; bit < to; ) {
    const word = bit >>> 5;
    const first = bit & 31;
    const last = Math.min(to - (word << 5), 32);
    const mask = (last === 32 ? -1 : (1 << last) - 1) & (-1 << first);
    chunk[word] = (chunk[word] as number) | mask;
    bit = (word + 1) << 5;
  }
}

/** The first block in [from, end) that is busy (`skip` 0: words of it say nothing) or, with -1, that is not; else `end`. */
function find(group: Group, from: number, end: number, skip: 0 | -1): number {
  for (let block = from; block < end; ) {
    const index = Math.floor(block / CHUNK_BITS);
    const base = index * CHUNK_BITS;
    const chunk = group.get(index);
    const stop = Math.min(end, base + CHUNK_BITS);
    if (chunk === undefined) {
      if (skip === -1) return block;
      block = stop;
      continue;
    }
    for (let bit = block - base; bit < stop - base; bit = (bit | 31) + 1) {
      const word = ((chunk[bit >>> 5] as number) ^ skip) & (-1 << (bit & 31));
      if (word === 0) continue;
      return Math.min(end, base + (bit & ~31) + 31 - Math.clz32(word & -word));
    }
    block = stop;
  }
  return end;
}
