/**
 * The hash tree that directories and attribute forks share: descent, splits and joins (kernel: xfs_da_btree.c).
 *
 *     node   header | (hash, block) …      the highest hash below each block; duplicates may span blocks
 *     leaf   by its owner (DaKind): directory leafn or attribute leaf
 *
 * Blocks of one level are linked both ways, in hash order. The root keeps its block number for ever: it grows by
 * moving its content down into a new block, and shrinks by taking its only child's. A path names the block and the
 * slot followed on each level, root first. Every descent is bounded by DA_NODE_MAXDEPTH and checks levels.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import type { BtreeFork } from '../btree/cursor.ts';
import type { DaGeometry } from '../dir/geometry.ts';
import type { XfsInode } from '../inode.ts';
import { DA_NODE_MAXDEPTH, DaMagic } from '../structure/da.ts';
import type { Trans } from '../trans.ts';
import { copyDaBlock, daGrow, daInit, daMagic, daRead, daShrink, setDaType } from './block.ts';

/** What the tree must know of its leaves. */
export interface DaKind {
  readonly fork: BtreeFork;
  readonly geo: DaGeometry;
  /** Block of the root. */
  readonly root: number;
  /** Number of entries, dead ones included. */
  leafCount(buf: Buf): number;
  leafHash(buf: Buf, index: number): number;
  /** Bytes that the live content needs, header included. */
  leafUsed(buf: Buf): number;
  /** Bytes that the content of both would need in one block. */
  leafJoined(a: Buf, b: Buf): number;
  /** Moves everything in `drop` into `save`, before its own entries or after them. */
  leafMerge(tp: Trans, save: Buf, drop: Buf, before: boolean): void;
}

/** The way from the root to a leaf. */
export class DaPath {
  readonly bufs: Buf[] = [];
  readonly blocks: number[] = [];
  readonly slots: number[] = [];

  get leaf(): Buf {
    return this.bufs[this.bufs.length - 1] as Buf;
  }
  get leafBlock(): number {
    return this.blocks[this.blocks.length - 1] as number;
  }
  get depth(): number {
    return this.bufs.length;
  }
  clone(): DaPath {
    const copy = new DaPath();
    copy.bufs.push(...this.bufs);
    copy.blocks.push(...this.blocks);
    copy.slots.push(...this.slots);
    return copy;
  }
}

export function isNode(buf: Buf): boolean {
  const magic = daMagic(buf);
  return magic === DaMagic.node[0] || magic === DaMagic.node[1];
}

export const forwOf = (buf: Buf): number => buf.view.getUint32(0);
export const backOf = (buf: Buf): number => buf.view.getUint32(4);

/** The tree of one fork, for one operation. */
export class DaTree {
  readonly ip: XfsInode;
  readonly kind: DaKind;
  private readonly geo: DaGeometry;

  constructor(ip: XfsInode, kind: DaKind) {
    this.ip = ip;
    this.kind = kind;
    this.geo = kind.geo;
  }

  /** The path to the first leaf that may hold `hash`. @throws FsError EUCLEAN for a damaged tree */
  descend(hash: number): DaPath {
    const path = new DaPath();
    let block = this.kind.root;
    let level = -1;
    for (;;) {
      const buf = this.read(block);
      path.bufs.push(buf);
      path.blocks.push(block);
      if (!isNode(buf)) {
        if (level > 0) throw this.damaged(buf, 'level', 'a leaf above level 0');
        path.slots.push(0);
        return path;
      }
      const own = buf.view.getUint16(this.geo.nodeLevelAt);
      const count = this.nodeCount(buf);
      if (own === 0 || own >= DA_NODE_MAXDEPTH || (level >= 0 && own !== level))
        throw this.damaged(buf, 'level', 'out of order');
      if (count === 0 || count > this.geo.nodeMax) throw this.damaged(buf, 'count', `not in 1 … ${this.geo.nodeMax}`);
      const slot = Math.min(this.searchNode(buf, count, hash), count - 1);
      path.slots.push(slot);
      block = this.child(buf, slot);
      level = own - 1;
      if (block === this.kind.root) throw this.damaged(buf, 'before', 'points to the root');
    }
  }

  /** Moves the path to the neighbour of its block on `level` (default: the leaf); false at the end of the level. */
  shift(path: DaPath, forward: boolean, level: number = path.depth - 1): boolean {
    let from = level - 1;
    for (; from >= 0; from--) {
      const slot = (path.slots[from] as number) + (forward ? 1 : -1);
      if (slot < 0 || slot >= this.nodeCount(path.bufs[from] as Buf)) continue;
      path.slots[from] = slot;
      break;
    }
    if (from < 0) return false;
    for (let i = from + 1; i <= level; i++) {
      const parent = path.bufs[i - 1] as Buf;
      const block = this.child(parent, path.slots[i - 1] as number);
      const buf = this.read(block);
      const node = isNode(buf);
      if (node !== isNode(path.bufs[i] as Buf)) throw this.damaged(buf, 'magic', 'a block of another level');
      path.bufs[i] = buf;
      path.blocks[i] = block;
      path.slots[i] = node && !forward ? this.nodeCount(buf) - 1 : 0;
    }
    path.bufs.length = path.blocks.length = path.slots.length = level + 1;
    return true;
  }

  /** Brings the hashes in the nodes above `level` up to date with the highest hash there. */
  fixHashes(tp: Trans, path: DaPath, level: number = path.depth - 1): void {
    let below = path.bufs[level] as Buf;
    for (let i = level - 1; i >= 0; i--) {
      if (this.count(below) === 0) return;
      const hash = this.lastHash(below);
      const node = path.bufs[i] as Buf;
      const at = this.entryAt(path.slots[i] as number);
      if (node.view.getUint32(at) === hash) return;
      tp.modify(node, at, 4);
      node.view.setUint32(at, hash);
      below = node;
    }
  }

  /** Gives the tree a new, already filled leaf that comes right after the path's one. */
  insertAfter(tp: Trans, path: DaPath, buf: Buf, block: number): void {
    let right = buf;
    let rightBlock = block;
    for (let level = path.depth - 1; ; level--) {
      const left = path.bufs[level] as Buf;
      this.linkAfter(tp, left, path.blocks[level] as number, right, rightBlock);
      this.fixHashes(tp, path, level);
      if (level === 0) {
        this.growRoot(tp, left, right, rightBlock);
        return;
      }
      const parent = path.bufs[level - 1] as Buf;
      const slot = (path.slots[level - 1] as number) + 1;
      const hash = this.lastHash(right);
      if (this.nodeCount(parent) < this.geo.nodeMax) {
        this.putChild(tp, parent, slot, hash, rightBlock);
        this.fixHashes(tp, path, level - 1);
        return;
      }
      [right, rightBlock] = this.splitNode(tp, parent, slot, hash, rightBlock);
    }
  }

  /** After entries went away: joins the path's leaf with a neighbour if both are nearly empty, and so on upwards. */
  join(tp: Trans, start: DaPath): void {
    let path = start;
    for (let level = path.depth - 1; level > 0; level--) {
      const next = this.joinLevel(tp, path, level);
      if (next === null) return;
      path = next;
    }
    this.shrinkRoot(tp, path.bufs[0] as Buf);
  }

  /** Frees the path's leaf, which must be empty, unless it is the root. */
  private joinLevel(tp: Trans, path: DaPath, level: number): DaPath | null {
    const buf = path.bufs[level] as Buf;
    const neighbour = this.findPartner(path, level);
    if (neighbour === null) return null;
    const keepOwn = this.count(buf) > 0 && (path.blocks[level] as number) < (neighbour.path.blocks[level] as number);
    const saved = keepOwn ? path : neighbour.path;
    const dropped = keepOwn ? neighbour.path : path;
    const save = saved.bufs[level] as Buf;
    const drop = dropped.bufs[level] as Buf;
    const dropBefore = keepOwn !== neighbour.forward;
    if (this.count(drop) > 0) {
      if (isNode(drop)) this.mergeNode(tp, save, drop, dropBefore);
      else this.kind.leafMerge(tp, save, drop, dropBefore);
    }
    this.fixHashes(tp, saved, level);
    this.unlink(tp, drop);
    this.dropChild(tp, dropped.bufs[level - 1] as Buf, dropped.slots[level - 1] as number);
    if (this.nodeCount(dropped.bufs[level - 1] as Buf) > 0) this.fixHashes(tp, dropped, level - 1);
    daShrink(tp, this.ip, this.kind.fork, this.geo, dropped.blocks[level] as number, drop);
    return dropped;
  }

  private findPartner(path: DaPath, level: number): { path: DaPath; forward: boolean } | null {
    const buf = path.bufs[level] as Buf;
    const empty = this.count(buf) === 0 || (!isNode(buf) && this.kind.leafUsed(buf) <= this.kind.geo.nodeHeader);
    if (!empty && this.used(buf) > this.geo.blockSize >> 1) return null;
    const limit = this.geo.blockSize - (this.geo.blockSize >> 2);
    const lowFirst = forwOf(buf) < backOf(buf);
    for (const forward of [lowFirst, !lowFirst]) {
      if ((forward ? forwOf(buf) : backOf(buf)) === 0) continue;
      const other = path.clone();
      if (!this.shift(other, forward, level)) continue;
      if (empty || this.joined(buf, other.bufs[level] as Buf) <= limit) return { path: other, forward };
    }
    return null;
  }

  private used(buf: Buf): number {
    return isNode(buf) ? this.geo.nodeHeader + this.nodeCount(buf) * 8 : this.kind.leafUsed(buf);
  }

  private joined(a: Buf, b: Buf): number {
    return isNode(a) ? this.geo.nodeHeader + (this.nodeCount(a) + this.nodeCount(b)) * 8 : this.kind.leafJoined(a, b);
  }

  private mergeNode(tp: Trans, save: Buf, drop: Buf, before: boolean): void {
    const own = this.nodeCount(save);
    const more = this.nodeCount(drop);
    const head = this.geo.nodeHeader;
    tp.modify(save, head, (own + more) * 8);
    if (before) save.bytes.copyWithin(this.entryAt(more), head, this.entryAt(own));
    save.bytes.set(drop.bytes.subarray(head, this.entryAt(more)), before ? head : this.entryAt(own));
    this.setNodeCount(tp, save, own + more);
  }

  /** While the root has one child, the child's content becomes the root. */
  private shrinkRoot(tp: Trans, root: Buf): void {
    for (let i = 0; i < DA_NODE_MAXDEPTH && isNode(root) && this.nodeCount(root) === 1; i++) {
      const block = this.child(root, 0);
      const only = this.read(block);
      tp.modify(root, 0, root.length);
      copyDaBlock(tp, this.geo, root, only);
      daShrink(tp, this.ip, this.kind.fork, this.geo, block, only);
    }
  }

  private growRoot(tp: Trans, root: Buf, right: Buf, rightBlock: number): void {
    const level = isNode(root) ? root.view.getUint16(this.geo.nodeLevelAt) + 1 : 1;
    if (level >= DA_NODE_MAXDEPTH) throw this.damaged(root, 'level', 'the tree cannot grow higher');
    const block = daGrow(tp, this.ip, this.kind.fork, this.geo, this.kind.root);
    const left = daInit(tp, this.ip, this.kind.fork, this.geo, block, 0, root.ops);
    copyDaBlock(tp, this.geo, left, root);
    tp.modify(right, 4, 4);
    right.view.setUint32(4, block);
    tp.modify(root, 0, root.length);
    root.view.setUint32(0, 0);
    root.view.setUint32(4, 0);
    root.bytes.fill(0, this.geo.nodeHeader);
    root.view.setUint16(this.geo.nodeCountAt, 2);
    root.view.setUint16(this.geo.nodeLevelAt, level);
    setDaType(tp, this.geo, root, DaMagic.node[this.geo.v5 ? 1 : 0], this.ip.mp.ops.daNode);
    this.setEntry(root, 0, this.lastHash(left), block);
    this.setEntry(root, 1, this.lastHash(right), rightBlock);
  }

  private splitNode(tp: Trans, node: Buf, slot: number, hash: number, child: number): [Buf, number] {
    const count = this.nodeCount(node);
    const half = (count + 1) >> 1;
    const block = daGrow(tp, this.ip, this.kind.fork, this.geo, this.kind.root);
    const magic = DaMagic.node[this.geo.v5 ? 1 : 0];
    const fresh = daInit(tp, this.ip, this.kind.fork, this.geo, block, magic, this.ip.mp.ops.daNode);
    fresh.view.setUint16(this.geo.nodeLevelAt, node.view.getUint16(this.geo.nodeLevelAt));
    fresh.bytes.set(node.bytes.subarray(this.entryAt(half), this.entryAt(count)), this.geo.nodeHeader);
    fresh.view.setUint16(this.geo.nodeCountAt, count - half);
    this.setNodeCount(tp, node, half);
    if (slot <= half) this.putChild(tp, node, slot, hash, child);
    else this.putChild(tp, fresh, slot - half, hash, child);
    return [fresh, block];
  }

  private putChild(tp: Trans, node: Buf, slot: number, hash: number, child: number): void {
    const count = this.nodeCount(node);
    const at = this.entryAt(slot);
    tp.modify(node, at, (count + 1 - slot) * 8);
    node.bytes.copyWithin(at + 8, at, this.entryAt(count));
    this.setEntry(node, slot, hash, child);
    this.setNodeCount(tp, node, count + 1);
  }

  private dropChild(tp: Trans, node: Buf, slot: number): void {
    const count = this.nodeCount(node);
    const at = this.entryAt(slot);
    tp.modify(node, at, (count - slot) * 8);
    node.bytes.copyWithin(at, at + 8, this.entryAt(count));
    node.bytes.fill(0, this.entryAt(count - 1), this.entryAt(count));
    this.setNodeCount(tp, node, count - 1);
  }

  private linkAfter(tp: Trans, left: Buf, leftBlock: number, right: Buf, rightBlock: number): void {
    const after = forwOf(left);
    tp.modify(left, 0, 4);
    tp.modify(right, 0, 8);
    left.view.setUint32(0, rightBlock);
    right.view.setUint32(0, after);
    right.view.setUint32(4, leftBlock);
    if (after === 0) return;
    const next = this.read(after);
    tp.modify(next, 4, 4);
    next.view.setUint32(4, rightBlock);
  }

  private unlink(tp: Trans, buf: Buf): void {
    const forw = forwOf(buf);
    const back = backOf(buf);
    if (forw !== 0) {
      const next = this.read(forw);
      tp.modify(next, 4, 4);
      next.view.setUint32(4, back);
    }
    if (back === 0) return;
    const previous = this.read(back);
    tp.modify(previous, 0, 4);
    previous.view.setUint32(0, forw);
  }

  /** The first slot of a node whose hash is not below `hash`. */
  private searchNode(buf: Buf, count: number, hash: number): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (buf.view.getUint32(this.entryAt(middle)) < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  read(block: number): Buf {
    return daRead(this.ip, this.kind.fork, this.geo, block, this.ip.mp.ops.daNode);
  }

  private count(buf: Buf): number {
    return isNode(buf) ? this.nodeCount(buf) : this.kind.leafCount(buf);
  }

  lastHash(buf: Buf): number {
    const last = this.count(buf) - 1;
    return isNode(buf) ? buf.view.getUint32(this.entryAt(last)) : this.kind.leafHash(buf, last);
  }

  private nodeCount(buf: Buf): number {
    return buf.view.getUint16(this.geo.nodeCountAt);
  }

  private setNodeCount(tp: Trans, buf: Buf, count: number): void {
    tp.modify(buf, this.geo.nodeCountAt, 2);
    buf.view.setUint16(this.geo.nodeCountAt, count);
  }

  private entryAt(slot: number): number {
    return this.geo.nodeHeader + slot * 8;
  }

  private child(buf: Buf, slot: number): number {
    return buf.view.getUint32(this.entryAt(slot) + 4);
  }

  private setEntry(buf: Buf, slot: number, hash: number, block: number): void {
    buf.view.setUint32(this.entryAt(slot), hash);
    buf.view.setUint32(this.entryAt(slot) + 4, block);
  }

  private damaged(buf: Buf, field: string, rule: string): Error {
    return corrupt({ structure: `da node of inode ${this.ip.ino}`, addr: buf.addr, field, rule });
  }
}
