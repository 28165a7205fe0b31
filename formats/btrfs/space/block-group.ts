/**
 * One block group: a chunk seen as space to give away.
 *
 * Two views of its free space are kept apart. `free` is what may be allocated now: it shrinks when an extent is
 * given away and grows only after the commit that freed one is on disk. The free-space tree instead is the complement
 * of the extent tree: it changes when extent items come and go; `gained` and `lost` are what it does not show yet.
 */
import { BlockGroupFlag } from '../structure/chunk.ts';
import type { Chunk } from '../volumes/chunk.ts';
import { RangeSet } from './ranges.ts';

export class BlockGroup {
  readonly chunk: Chunk;
  readonly start: number;
  readonly length: number;
  /** BlockGroupFlag bits. */
  readonly flags: number;
  /** Bytes of its extents in the extent tree. */
  used: number;
  /** As its item says. */
  writtenUsed: number;
  /** Never allocated from: a stripe lies on a seed device, or there is one copy where others have several. */
  readOnly: boolean;
  /** Logical ranges where superblocks lie. */
  readonly supers: readonly { readonly start: number; readonly length: number }[];
  /** What may be allocated; null until it was needed. */
  free: RangeSet | null = null;
  /** Freed, allocated in the extent tree, since the free-space tree was written. */
  gained = new RangeSet();
  lost = new RangeSet();
  /** Its items (chunk, device extents, group, free space) are not in the trees yet. */
  isNew = false;

  constructor(
    chunk: Chunk,
    used: number,
    supers: readonly { readonly start: number; readonly length: number }[],
    readOnly: boolean,
  ) {
    this.chunk = chunk;
    this.start = chunk.logical;
    this.length = chunk.length;
    this.flags = chunk.type;
    this.used = used;
    this.writtenUsed = used;
    this.supers = supers;
    this.readOnly = readOnly;
  }

  get end(): number {
    return this.start + this.length;
  }

  /** Bytes that superblocks take away. */
  get superBytes(): number {
    return this.supers.reduce((sum, range) => sum + range.length, 0);
  }

  /** Bytes that may be allocated. */
  get freeBytes(): number {
    if (this.readOnly) return 0;
    return this.free === null ? Math.max(0, this.length - this.used - this.superBytes) : this.free.bytes;
  }

  holds(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  get isSystem(): boolean {
    return this.holds(BlockGroupFlag.SYSTEM);
  }
}
