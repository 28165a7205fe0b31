/**
 * Writing directories in node form: data blocks, a hash tree with leafn blocks, and the free-space index (kernel:
 * xfs_dir2_node.c). Small at first: the tree may be a single leafn.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { daGrow, daInit, daShrink, setDaType } from '../da/block.ts';
import { type DaKind, type DaPath, DaTree } from '../da/tree.ts';
import type { XfsInode } from '../inode.ts';
import { DaMagic } from '../structure/da.ts';
import { DIR_NULL_DATAPTR, NULLDATAOFF } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import { bestLength } from './data-space.ts';
import { buildFree, dropFree, findFree, freeBest, noteFree, onlyFree } from './free-index.ts';
import { type DirGeometry, dataEntrySize, dataptrToDb, leafTailAt, toDataptr } from './geometry.ts';
import {
  addressAt,
  addToLeaf,
  compactLeaf,
  dropFromLeaf,
  hashAt,
  leafCount,
  leafStale,
  searchHash,
  setLeafCounts,
} from './index-entries.ts';
import {
  bestCount,
  bestsAt,
  type EntryPlace,
  freeEntry,
  growData,
  isEmptyData,
  leafToBlock,
  matchPair,
  newData,
  placeEntry,
  readData,
  readLeaf,
  shrinkData,
} from './leaf-edit.ts';

const kinds = new WeakMap<DirGeometry, DaKind>();

/** The hash tree of directories with this layout. */
export function dirKind(geo: DirGeometry): DaKind {
  let kind = kinds.get(geo);
  if (kind === undefined) {
    const used = (buf: Buf): number => geo.leafHeader + (leafCount(geo, buf) - leafStale(geo, buf)) * 8;
    kind = {
      fork: 'data',
      geo,
      root: geo.leafBlock,
      leafCount: (buf) => leafCount(geo, buf),
      leafHash: (buf, index) => hashAt(buf, geo.leafHeader, index),
      leafUsed: used,
      leafJoined: (a, b) => used(a) + used(b) - geo.leafHeader,
      leafMerge: (tp, save, drop, before) => mergeLeaves(tp, geo, save, drop, before),
    };
    kinds.set(geo, kind);
  }
  return kind;
}

function mergeLeaves(tp: Trans, geo: DirGeometry, save: Buf, drop: Buf, before: boolean): void {
  compactLeaf(tp, geo, save);
  compactLeaf(tp, geo, drop);
  const own = leafCount(geo, save);
  const more = leafCount(geo, drop);
  if (more === 0) return;
  const head = geo.leafHeader;
  tp.modify(save, head, (own + more) * 8);
  if (before) save.bytes.copyWithin(head + more * 8, head, head + own * 8);
  save.bytes.set(drop.bytes.subarray(head, head + more * 8), before ? head : head + own * 8);
  setLeafCounts(tp, geo, save, own + more, 0);
}

/** Adds an entry. @throws FsError ENOSPC */
export function addNode(
  tp: Trans,
  dp: XfsInode,
  geo: DirGeometry,
  name: Uint8Array,
  hash: number,
  ino: number,
  ftype: number,
): void {
  const tree = new DaTree(dp, dirKind(geo));
  const path = tree.descend(hash);
  const need = dataEntrySize(geo, name.length);
  let db = roomBySameHash(dp, geo, path.leaf, hash, need);
  if (db < 0) db = findFree(dp, geo, need);
  let data: Buf;
  if (db < 0) {
    db = growData(tp, dp, geo);
    data = newData(tp, dp, geo, db);
  } else data = readData(dp, geo, db);
  const offset = placeEntry(tp, geo, data, name, ino, ftype);
  noteFree(tp, dp, geo, db, data);
  addToTree(tp, tree, geo, path, hash, toDataptr(geo, db, offset));
}

function roomBySameHash(dp: XfsInode, geo: DirGeometry, leaf: Buf, hash: number, need: number): number {
  const count = leafCount(geo, leaf);
  for (
    let i = searchHash(leaf, geo.leafHeader, count, hash);
    i < count && hashAt(leaf, geo.leafHeader, i) === hash;
    i++
  ) {
    const address = addressAt(leaf, geo.leafHeader, i);
    if (address === DIR_NULL_DATAPTR) continue;
    const db = dataptrToDb(geo, address);
    const best = freeBest(dp, geo, db);
    if (best >= need && best !== NULLDATAOFF) return db;
  }
  return -1;
}

/** Adds a pair to the path's leaf, splitting it when it is full. */
function addToTree(tp: Trans, tree: DaTree, geo: DirGeometry, path: DaPath, hash: number, address: number): void {
  const leaf = path.leaf;
  const count = leafCount(geo, leaf);
  const index = searchHash(leaf, geo.leafHeader, count, hash);
  if (count < geo.leafMax || leafStale(geo, leaf) > 0) {
    addToLeaf(tp, geo, leaf, index, hash, address);
    tree.fixHashes(tp, path);
    return;
  }
  const { ip } = tree;
  const half = count >> 1;
  const block = daGrow(tp, ip, 'data', geo, geo.leafBlock);
  const fresh = daInit(tp, ip, 'data', geo, block, DaMagic.leafn[geo.v5 ? 1 : 0], ip.mp.ops.dirLeafn);
  const at = geo.leafHeader + half * 8;
  fresh.bytes.set(leaf.bytes.subarray(at, geo.leafHeader + count * 8), geo.leafHeader);
  setLeafCounts(tp, geo, fresh, count - half, 0);
  setLeafCounts(tp, geo, leaf, half, 0);
  if (index <= half) addToLeaf(tp, geo, leaf, index, hash, address);
  else addToLeaf(tp, geo, fresh, index - half, hash, address);
  tree.insertAfter(tp, path, fresh, block);
}

/** An entry of a node form directory and the way to its pair. */
export interface NodePlace extends EntryPlace {
  readonly tree: DaTree;
  readonly path: DaPath;
}

/** The entry with this name, exactly or (ascii-ci) but for case. @throws FsError EUCLEAN */
export function findNode(dp: XfsInode, geo: DirGeometry, name: Uint8Array, hash: number): NodePlace | null {
  const tree = new DaTree(dp, dirKind(geo));
  const path = tree.descend(hash);
  let other: NodePlace | null = null;
  // Pairs of one hash may go on in the next leaves; there are no more leaves than blocks in the space.
  for (let steps = 0; steps < geo.freeBlock - geo.leafBlock; steps++) {
    const leaf = path.leaf;
    const count = leafCount(geo, leaf);
    let i = searchHash(leaf, geo.leafHeader, count, hash);
    for (; i < count && hashAt(leaf, geo.leafHeader, i) === hash; i++) {
      const match = matchPair(dp, geo, leaf, i, name);
      if (match?.exact) return { ...match.place, tree, path };
      if (match !== null) other ??= { ...match.place, tree, path: path.clone() };
    }
    if (i < count || !tree.shift(path, true)) break;
  }
  return other;
}

/** Below this share of a block (kernel: 37 %) a leaf looks for a neighbour to join. */
const JOIN_PERCENT = 37;

/** Removes an entry; blocks that become empty go, and the directory takes a smaller form when it can. */
export function removeNode(tp: Trans, dp: XfsInode, geo: DirGeometry, place: NodePlace): void {
  const { leaf, data, db, tree, path } = place;
  const before = bestLength(geo, data);
  freeEntry(tp, geo, place);
  dropFromLeaf(tp, geo, leaf, place.index);
  if (isEmptyData(geo, data) && db > 0 && shrinkData(tp, dp, geo, db, data)) dropFree(tp, dp, geo, db);
  else if (bestLength(geo, data) !== before) noteFree(tp, dp, geo, db, data);
  const live = leafCount(geo, leaf) - leafStale(geo, leaf);
  const small = geo.leafHeader + live * 8 < Math.floor((geo.blockSize * JOIN_PERCENT) / 100);
  if (small && path.depth > 1) tree.join(tp, path);
  nodeToLeaf(tp, dp, geo);
}

/** Takes leaf form if the tree is one leaf and its pairs and all bests fit one block. */
function nodeToLeaf(tp: Trans, dp: XfsInode, geo: DirGeometry): void {
  const tree = new DaTree(dp, dirKind(geo));
  const leaf = tree.read(geo.leafBlock);
  if (leaf.ops !== dp.mp.ops.dirLeafn) return;
  const live = leafCount(geo, leaf) - leafStale(geo, leaf);
  const fixed = geo.leafHeader + live * 8 + 4;
  if (fixed > geo.blockSize) return;
  const only = onlyFree(tp, dp, geo);
  if (only === null || fixed + only.count * 2 > geo.blockSize) return;
  compactLeaf(tp, geo, leaf);
  setDaType(tp, geo, leaf, DaMagic.leaf1[geo.v5 ? 1 : 0], dp.mp.ops.dirLeaf1);
  const tail = leafTailAt(geo);
  const at = tail - only.count * 2;
  tp.modify(leaf, at, geo.blockSize - at);
  leaf.bytes.set(only.free.bytes.subarray(geo.freeHeader, geo.freeHeader + only.count * 2), at);
  leaf.view.setUint32(tail, only.count);
  daShrink(tp, dp, 'data', geo, geo.freeBlock, only.free);
  leafToBlock(tp, dp, geo, leaf);
}

/** Turns a leaf form directory into node form. @throws FsError ENOSPC */
export function leafToNode(tp: Trans, dp: XfsInode, geo: DirGeometry): void {
  const leaf = readLeaf(dp, geo);
  buildFree(tp, dp, geo, leaf, bestsAt(geo, leaf), bestCount(geo, leaf));
  setDaType(tp, geo, leaf, DaMagic.leafn[geo.v5 ? 1 : 0], dp.mp.ops.dirLeafn);
}
