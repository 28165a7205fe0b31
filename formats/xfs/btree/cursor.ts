/**
 * A position in an XFS btree of any kind and height: lookup, next, prev, get, and (with a transaction) insert,
 * update, delete. The path from the root to the leaf is kept as one buffer and one slot a level; level 0 is the
 * leaf, slots count from 0; slot -1 is before the first entry, slot numrecs after the last of a block.
 *
 * Everything on disk is checked before it is followed: pointers lie in the AG or device, levels fall by one,
 * counts fit the block, owners match, a step to a sibling ends at the block that the parent names, and keys grow
 * with each step, so that no cycle of pointers can hold a walk for ever. Mirrors fs/xfs/libxfs/xfs_btree.c.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt, type FsError } from '../../../core/errors.ts';
import { readBe64, writeBe64 } from '../../../core/struct.ts';
import type { XfsInode } from '../inode.ts';
import type { XfsMount } from '../mount.ts';
import {
  BTREE_MAX_LEVELS,
  LONG_V4_SIZE,
  LONG_V5_SIZE,
  SHORT_V4_SIZE,
  SHORT_V5_SIZE,
} from '../structure/btree-format.ts';
import type { Trans } from '../trans.ts';
import { deleteAt } from './delete.ts';
import { insertAt } from './insert.ts';
import { insideKeys, updateKeys } from './keys.ts';
import { type BtreeKind, NULL_POINTER, type SearchKey } from './kind.ts';

export type Direction = 'le' | 'ge' | 'eq';
export type BtreeFork = 'data' | 'attr';

const NULL32 = 0xffffffff;

export class BtreeCursor<R, K = number> implements SearchKey {
  readonly mp: XfsMount;
  readonly kind: BtreeKind<R, K>;
  tp: Trans | null;
  /** The AG of the tree, or -1 for a tree in an inode. */
  agno: number;
  /** AGF or AGI with the root of an AG btree. */
  agBuf: Buf | null;
  readonly inode: XfsInode | null;
  readonly fork: BtreeFork;
  /** Levels of the tree at the last lookup. */
  levels = 0;
  // Literals: cursors are made for every look-up, and these are the cheapest way to make an array.
  // biome-ignore format: one line
  readonly bufs: (Buf | null)[] = [null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null];
  readonly slots: number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  /** Size of a block header, and of pointers. */
  readonly headerSize: number;
  readonly pointerSize: 4 | 8;
  /** Bytes of one key in a node: low and high together in an overlapping btree. */
  readonly nodeKeySize: number;
  readonly maxLeafRecords: number;
  readonly maxNodeRecords: number;
  // No small integers to start with: the first key beyond them would make V8 throw away all code that knows cursors.
  k0 = Number.NaN;
  k1 = Number.NaN;
  k2 = Number.NaN;
  k3 = Number.NaN;
  private readonly record: R;
  private twin: BtreeCursor<R, K> | null = null;

  /** `place`: the AG header with the root, or the inode whose fork holds it. */
  constructor(
    kind: BtreeKind<R, K>,
    mp: XfsMount,
    tp: Trans | null,
    place: { agno: number; buf: Buf } | { inode: XfsInode; fork: BtreeFork },
  ) {
    this.mp = mp;
    this.kind = kind;
    this.tp = tp;
    if ('inode' in place) {
      this.agno = -1;
      this.agBuf = null;
      this.inode = place.inode;
      this.fork = place.fork;
    } else {
      this.agno = place.agno;
      this.agBuf = place.buf;
      this.inode = null;
      this.fork = 'data';
    }
    this.pointerSize = kind.inodeRooted ? 8 : 4;
    this.nodeKeySize = kind.overlapping ? kind.lowKeySize * 2 : kind.lowKeySize;
    this.headerSize = headerSize(kind.inodeRooted, mp.features.v5);
    const room = mp.blockSize - this.headerSize;
    this.maxLeafRecords = Math.floor(room / kind.recordSize);
    this.maxNodeRecords = Math.floor(room / (this.nodeKeySize + this.pointerSize));
    this.record = kind.createRecord();
  }

  /**
   * Moves to the last record at or before the key (`le`), the first at or after it (`ge`) or the record with that
   * very key (`eq`). False if there is none. @throws FsError EUCLEAN, EIO
   */
  lookup(key: K, direction: Direction): boolean {
    this.kind.setKey(this, key);
    return this.seek(direction);
  }

  /**
   * Moves to the last record at or before the key if that is the one here or one of the next two of this leaf, which
   * must not have left the tree since the last lookup. False: ask lookup().
   */
  lookupNear(key: K): boolean {
    const buf = this.bufs[0] ?? null;
    if (buf === null || !buf.cached) return false;
    this.kind.setKey(this, key);
    const count = this.count(0);
    const from = this.slots[0] as number;
    if (from < 0 || from >= count || this.kind.compareRecord(buf.view, this.recordAt(from), this) > 0) return false;
    for (let slot = from; slot < from + 3 && slot + 1 < count; slot++) {
      if (this.kind.compareRecord(buf.view, this.recordAt(slot + 1), this) <= 0) continue;
      this.slots[0] = slot;
      return true;
    }
    return false;
  }

  /** lookup() for the search key that is already in k0 … k3. */
  seek(direction: Direction): boolean {
    const after = this.descend();
    const buf = this.bufs[0] as Buf;
    const exact = after > 0 && this.kind.compareRecord(buf.view, this.recordAt(after - 1), this) === 0;
    if (direction === 'le' || exact) {
      this.slots[0] = after - 1;
      return direction === 'le' ? after > 0 : true;
    }
    this.slots[0] = after;
    if (direction === 'eq') return false;
    if (after < this.count(0)) return true;
    this.slots[0] = after - 1;
    return this.step(0);
  }

  /** Goes to the very first (or last) record. False if the tree is empty. */
  edge(end: 'first' | 'last'): boolean {
    this.readRoot();
    for (let level = this.levels - 1; level > 0; level--) {
      this.slots[level] = end === 'first' ? 0 : this.count(level) - 1;
      this.setBuf(level - 1, this.readBlock(this.pointer(level), level - 1));
    }
    const count = this.count(0);
    this.slots[0] = end === 'first' ? 0 : count - 1;
    return count > 0;
  }

  /** Goes to the next record. False at the end. @throws FsError EUCLEAN, EIO */
  next(): boolean {
    return this.step(0);
  }

  /** Goes to the record before. False at the beginning. @throws FsError EUCLEAN, EIO */
  prev(): boolean {
    return this.stepBack(0);
  }

  /** True if get() has a record to read. */
  onRecord(): boolean {
    const slot = this.slots[0] as number;
    return this.bufs[0] !== null && slot >= 0 && slot < this.count(0);
  }

  /** The record here: the same object at each call. @throws FsError EUCLEAN if it breaks a rule */
  get(): R {
    const buf = this.bufs[0] as Buf;
    const slot = this.slots[0] as number;
    if (slot < 0 || slot >= this.count(0)) throw this.damage(buf, 'no record at this position');
    const at = this.recordAt(slot);
    this.kind.decode(buf.view, at, this.record);
    const rule = this.kind.check(this.record, this.mp, this.agno);
    if (rule !== null) throw this.damage(buf, rule, at, `record ${slot}`);
    return this.record;
  }

  /** Inserts a record where its key belongs and stands on it. @throws FsError EUCLEAN if the key exists, ENOSPC */
  insert(record: R): void {
    this.kind.setKeyOfRecord(this, record);
    const slot = this.descend();
    if (slot > 0) {
      const buf = this.bufs[0] as Buf;
      if (this.kind.compareRecord(buf.view, this.recordAt(slot - 1), this) === 0)
        throw this.damage(buf, 'a record with this key exists', this.recordAt(slot - 1), `record ${slot - 1}`);
    }
    this.slots[0] = slot;
    insertAt(this, record);
  }

  /** Replaces the record here by one that sorts at the same place. */
  update(record: R): void {
    const slot = this.slots[0] as number;
    const buf = this.bufs[0] as Buf;
    const { overlapping } = this.kind;
    const wasInside = overlapping && insideKeys(this);
    this.trans().modify(buf, this.recordAt(slot), this.kind.recordSize);
    this.kind.encode(buf.view, this.recordAt(slot), record);
    if (slot === 0 || (overlapping && !(wasInside && insideKeys(this)))) updateKeys(this, 0);
  }

  /** Deletes the record here. Afterwards only lookup(), edge() and insert() are defined. */
  delete(): void {
    deleteAt(this);
  }

  /** Lets go of the buffers on the path; the cursor can be used again with lookup(). */
  close(): void {
    for (let level = 0; level < BTREE_MAX_LEVELS; level++) this.setBuf(level, null);
    this.twin?.close();
  }

  /** Turns a retired cursor to the tree of another AG or to another transaction. */
  aim(tp: Trans | null, agno: number, agBuf: Buf): this {
    this.tp = tp;
    this.agno = agno;
    this.agBuf = agBuf;
    if (this.twin !== null) this.twin.aim(tp, agno, agBuf);
    return this;
  }

  // ---- for the other files of this folder ----

  /** The transaction. @throws Error if the cursor was made for reading */
  trans(): Trans {
    if (this.tp === null) throw new Error(`${this.kind.name} cursor without a transaction`);
    return this.tp;
  }

  /** True if the entries at `level` lie in the inode fork. */
  inFork(level: number): boolean {
    return this.inode !== null && level === this.levels - 1;
  }

  /** Offset of the fork in the inode's buffer, and its size. */
  forkStart(): number {
    const inode = this.inode as XfsInode;
    return this.fork === 'data' ? inode.dataFork.start : inode.attrFork.start;
  }

  forkSize(): number {
    const inode = this.inode as XfsInode;
    return this.fork === 'data' ? inode.dataFork.size : inode.attrFork.size;
  }

  /** Entries that the root in the fork can hold. */
  maxForkRecords(): number {
    return Math.floor((this.forkSize() - 4) / 16);
  }

  maxRecords(level: number): number {
    if (level === 0) return this.maxLeafRecords;
    return this.inFork(level) ? this.maxForkRecords() : this.maxNodeRecords;
  }

  minRecords(level: number): number {
    return this.maxRecords(level) >> 1;
  }

  /** Entries in the block at `level` of the path. */
  count(level: number): number {
    const view = (this.bufs[level] as Buf).view;
    return view.getUint16(this.inFork(level) ? this.forkStart() + 2 : 6);
  }

  recordAt(slot: number): number {
    return this.headerSize + slot * this.kind.recordSize;
  }

  keyAt(level: number, slot: number): number {
    const start = this.inFork(level) ? this.forkStart() + 4 : this.headerSize;
    return start + slot * this.nodeKeySize;
  }

  pointerAt(level: number, slot: number): number {
    return this.keyAt(level, this.maxRecords(level)) + slot * this.pointerSize;
  }

  /** The pointer under the slot of `level`. */
  pointer(level: number): number {
    return this.readPointer(this.bufs[level] as Buf, this.pointerAt(level, this.slots[level] as number));
  }

  readPointer(buf: Buf, at: number): number {
    if (this.pointerSize === 4) {
      const value = buf.view.getUint32(at);
      return value === NULL32 ? NULL_POINTER : value;
    }
    if (buf.view.getUint32(at) === NULL32 && buf.view.getUint32(at + 4) === NULL32) return NULL_POINTER;
    return readBe64(buf.view, at);
  }

  writePointer(buf: Buf, at: number, value: number): void {
    if (this.pointerSize === 4) {
      buf.view.setUint32(at, value === NULL_POINTER ? NULL32 : value);
    } else if (value === NULL_POINTER) {
      buf.view.setUint32(at, NULL32);
      buf.view.setUint32(at + 4, NULL32);
    } else {
      writeBe64(buf.view, at, value);
    }
  }

  leftSibling(buf: Buf): number {
    return this.readPointer(buf, 8);
  }

  rightSibling(buf: Buf): number {
    return this.readPointer(buf, 8 + this.pointerSize);
  }

  addrOf(pointer: number): number {
    return this.agno < 0 ? this.mp.fsbToAddr(pointer) : this.mp.agbToAddr(this.agno, pointer);
  }

  /** The block at `pointer`, checked to be one of this tree at `level`. @throws FsError EUCLEAN, EIO */
  readBlock(pointer: number, level: number): Buf {
    const { mp, kind } = this;
    const inside = this.agno < 0 ? mp.validFsb(pointer, 1) : pointer > 0 && pointer < mp.agSize(this.agno);
    if (!inside) throw this.damage(this.bufs[level + 1] ?? null, `block pointer ${pointer} is outside`);
    const buf = mp.cache.get(this.addrOf(pointer), mp.blockSize, mp.ops[kind.name]);
    const { view } = buf;
    if (view.getUint16(4) !== level) throw this.damage(buf, `level ${view.getUint16(4)} where ${level} belongs`);
    const count = view.getUint16(6);
    const max = level === 0 ? this.maxLeafRecords : this.maxNodeRecords;
    if (count > max) throw this.damage(buf, `${count} > ${max}`, 6, 'numrecs');
    if (count === 0 && (level > 0 || this.levels > 1)) throw this.damage(buf, 'empty block', 6, 'numrecs');
    if (this.inode !== null && mp.features.v5 && readBe64(view, 56) !== this.inode.ino)
      throw this.damage(buf, `owned by inode ${readBe64(view, 56)}`, 56, 'owner');
    return buf;
  }

  /** Reads levels and root pointer and puts the root at the top of the path. */
  readRoot(): void {
    if (this.inode !== null) {
      const { buf } = this.inode;
      const level = buf.view.getUint16(this.forkStart());
      if (level < 1 || level >= BTREE_MAX_LEVELS) throw this.damage(buf, `level ${level} of the root`);
      this.levels = level + 1;
      this.setBuf(level, buf);
      const max = this.maxForkRecords();
      const count = this.count(level);
      if (count < 1 || count > max)
        throw this.damage(buf, `${count} not in 1 … ${max}`, this.forkStart() + 2, 'numrecs');
      return;
    }
    const header = this.agBuf as Buf;
    this.levels = header.view.getUint32(this.kind.levelAt);
    if (this.levels < 1 || this.levels > BTREE_MAX_LEVELS - 1)
      throw this.damage(header, `${this.levels} levels`, this.kind.levelAt);
    const root = header.view.getUint32(this.kind.rootAt);
    this.setBuf(this.levels - 1, this.readBlock(root, this.levels - 1));
  }

  setBuf(level: number, buf: Buf | null): void {
    const old = this.bufs[level] as Buf | null;
    if (old === buf) return;
    this.bufs[level] = buf;
    if (this.tp === null) return;
    if (buf !== null) this.mp.cache.hold(buf);
    if (old !== null) this.mp.cache.release(old);
  }

  /** Walks down to the leaf for the search key; answers how many of its records are at or before the key. */
  private descend(): number {
    this.readRoot();
    for (let level = this.levels - 1; level > 0; level--) {
      this.slots[level] = Math.max(this.countUpTo(level) - 1, 0);
      this.setBuf(level - 1, this.readBlock(this.pointer(level), level - 1));
    }
    return this.countUpTo(0);
  }

  private countUpTo(level: number): number {
    const { kind } = this;
    const { view } = this.bufs[level] as Buf;
    const start = level === 0 ? this.headerSize : this.keyAt(level, 0);
    const size = level === 0 ? kind.recordSize : this.nodeKeySize;
    let low = 0;
    let high = this.count(level);
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = start + middle * size;
      const order = level === 0 ? kind.compareRecord(view, at, this) : kind.compareKey(view, at, this);
      if (order <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** One entry forward at `level`, into the right neighbour if needed. */
  step(level: number): boolean {
    const count = this.count(level);
    const slot = (this.slots[level] as number) + 1;
    this.slots[level] = Math.min(slot, count);
    if (slot < count) return true;
    if (this.inFork(level)) return false;
    const from = this.bufs[level] as Buf;
    const target = this.rightSibling(from);
    if (target === NULL_POINTER) return false;
    let up = level + 1;
    while (up < this.levels && (this.slots[up] as number) + 1 >= this.count(up)) up++;
    if (up >= this.levels) throw this.damage(from, `right sibling ${target} that no parent names`);
    this.slots[up] = (this.slots[up] as number) + 1;
    for (; up > level; up--) {
      const pointer = this.pointer(up);
      if (up === level + 1 && pointer !== target)
        throw this.damage(from, `right sibling ${target}, parent says ${pointer}`);
      this.setBuf(up - 1, this.readBlock(pointer, up - 1));
      this.slots[up - 1] = 0;
    }
    this.checkOrder(from, this.bufs[level] as Buf, level);
    return true;
  }

  /** One entry back at `level`. */
  stepBack(level: number): boolean {
    const slot = (this.slots[level] as number) - 1;
    this.slots[level] = Math.max(slot, -1);
    if (slot >= 0) return true;
    if (this.inFork(level)) return false;
    const from = this.bufs[level] as Buf;
    const target = this.leftSibling(from);
    if (target === NULL_POINTER) return false;
    let up = level + 1;
    while (up < this.levels && (this.slots[up] as number) <= 0) up++;
    if (up >= this.levels) throw this.damage(from, `left sibling ${target} that no parent names`);
    this.slots[up] = (this.slots[up] as number) - 1;
    for (; up > level; up--) {
      const pointer = this.pointer(up);
      if (up === level + 1 && pointer !== target)
        throw this.damage(from, `left sibling ${target}, parent says ${pointer}`);
      this.setBuf(up - 1, this.readBlock(pointer, up - 1));
      this.slots[up - 1] = this.count(up - 1) - 1;
    }
    this.checkOrder(this.bufs[level] as Buf, from, level);
    return true;
  }

  /** First entries of neighbours must grow: a walk over a damaged tree then visits each block once. */
  private checkOrder(left: Buf, right: Buf, level: number): void {
    const { kind } = this;
    let order: number;
    if (level === 0) {
      const { k0, k1, k2, k3 } = this;
      kind.decode(left.view, this.headerSize, this.record);
      kind.setKeyOfRecord(this, this.record);
      order = kind.compareRecord(right.view, this.headerSize, this);
      this.k0 = k0;
      this.k1 = k1;
      this.k2 = k2;
      this.k3 = k3;
    } else {
      order = kind.compareKeys(right.view, this.headerSize, left.view, this.headerSize);
    }
    if (order <= 0) throw this.damage(right, 'does not sort after its left sibling');
  }

  /** A second cursor at the same position, owned by this one: for touching a neighbour without losing the place. */
  copy(): BtreeCursor<R, K> {
    this.twin ??= new BtreeCursor<R, K>(
      this.kind,
      this.mp,
      this.tp,
      this.inode === null ? { agno: this.agno, buf: this.agBuf as Buf } : { inode: this.inode, fork: this.fork },
    );
    const { twin } = this;
    twin.levels = this.levels;
    for (let level = 0; level < BTREE_MAX_LEVELS; level++) {
      twin.setBuf(level, this.bufs[level] as Buf | null);
      twin.slots[level] = this.slots[level] as number;
    }
    return twin;
  }

  /** A damage report about a block of this tree. */
  damage(buf: Buf | null, rule: string, offset?: number, field?: string): FsError {
    const owner = this.inode === null ? `AG ${this.agno}` : `inode ${this.inode.ino}, ${this.fork} fork`;
    return corrupt({
      structure: `${this.kind.name} block of ${owner}`,
      ...(buf === null ? {} : { addr: buf.addr }),
      ...(offset === undefined ? {} : { offset }),
      ...(field === undefined ? {} : { field }),
      rule,
    });
  }
}

/** Bytes before the first entry of a btree block. */
export function headerSize(long: boolean, v5: boolean): number {
  if (long) return v5 ? LONG_V5_SIZE : LONG_V4_SIZE;
  return v5 ? SHORT_V5_SIZE : SHORT_V4_SIZE;
}
