/**
 * What makes one XFS btree differ from another: sizes, how its records and keys read, how they compare, and where
 * blocks for it come from. The cursor knows only this interface.
 *
 *   leaf   | header | rec rec rec …                      |
 *   node   | header | key key key …(maxrecs) | ptr ptr … |
 *   bmbt root in the inode fork: | level, numrecs | key … (as many as fit) | ptr … |
 *
 * In an overlapping btree (rmapbt) a node key is a pair: lowest key, then highest key, of everything below.
 */
import type { XfsMount } from '../mount.ts';
import type { BtreeCursor } from './cursor.ts';

export type BtreeName = 'bnobt' | 'cntbt' | 'inobt' | 'finobt' | 'rmapbt' | 'refcountbt' | 'bmbt';

/** A null pointer of either size, as the cursor reads it. */
export const NULL_POINTER = -1;

/** A search key in up to four numbers, most significant first; what they mean is the kind's business. */
export interface SearchKey {
  k0: number;
  k1: number;
  k2: number;
  k3: number;
}

export interface BtreeKind<R, K> {
  readonly name: BtreeName;
  readonly magicV4: number;
  readonly magicV5: number;
  readonly recordSize: number;
  /** Size of one low key; node keys of an overlapping btree take twice that. */
  readonly lowKeySize: number;
  readonly overlapping: boolean;
  /** Long pointers, root in an inode fork. */
  readonly inodeRooted: boolean;
  /** Offsets of root and height in the AG header; unused for an inode-rooted btree. */
  readonly rootAt: number;
  readonly levelAt: number;

  /** A record object for the cursor to decode into. */
  createRecord(): R;
  setKey(search: SearchKey, key: K): void;
  setKeyOfRecord(search: SearchKey, record: R): void;
  /** Record at `at` against the search key: negative if it sorts before. */
  compareRecord(view: DataView, at: number, search: SearchKey): number;
  compareKey(view: DataView, at: number, search: SearchKey): number;
  /** Two keys on disk (low or high). */
  compareKeys(a: DataView, aAt: number, b: DataView, bAt: number): number;
  decode(view: DataView, at: number, record: R): void;
  encode(view: DataView, at: number, record: R): void;
  /** The rule that a decoded record breaks, or null. */
  check(record: R, mp: XfsMount, agno: number): string | null;
  /** Writes the low key of the record at `recordAt` to `keyAt`. */
  keyOfRecord(view: DataView, recordAt: number, into: DataView, keyAt: number): void;
  /** Overlapping btrees: which of two records of a block covers the higher key. */
  compareEnds(view: DataView, aAt: number, bAt: number): number;
  /** Overlapping btrees: writes the highest key that the record covers. */
  highKeyOfRecord(view: DataView, recordAt: number, into: DataView, keyAt: number): void;

  /** A block for the tree near `near`, as a pointer of this tree. @throws FsError ENOSPC */
  allocBlock(cursor: BtreeCursor<R, K>, near: number): number;
  freeBlock(cursor: BtreeCursor<R, K>, pointer: number): void;
}
