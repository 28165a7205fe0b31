/**
 * Setting and removing extended attributes, in whatever form the fork has (kernel: xfs_attr.c):
 *
 *     none ⇄ in the inode ⇄ one leaf ⇄ hash tree of leaves        large values in blocks of their own
 *
 * One transaction does all of a change; Linux needs several and the INCOMPLETE flag. Parent pointers are attributes
 * too: several may have one name, told apart by their value, and their hash has the parent's number in it.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { readBe64 } from '../../../core/struct.ts';
import { daGrow, daInit, daShrink } from '../da/block.ts';
import { type DaPath, DaTree } from '../da/tree.ts';
import { hashDirName, hashName, sameName } from '../dir/hash.ts';
import type { XfsInode } from '../inode.ts';
import { setForkFormat } from '../inode-core.ts';
import { ATTR_NSP_MASK, AttrFlag, AttrShortEntry, AttrShortHeader } from '../structure/attr.ts';
import { DaMagic } from '../structure/da.ts';
import type { Trans } from '../trans.ts';
import { noteAttributes } from './feature.ts';
import {
  type AttrGeometry,
  attrGeometry,
  attrKind,
  attrSize,
  type LeafAttr,
  leafSize,
  localSize,
  readAttrLeaf,
  writeAttrLeaf,
} from './leaf-edit.ts';
import { freeRemote, writeRemote } from './remote.ts';
import {
  addAttrFork,
  dropAttrFork,
  meetingPoint,
  readShortAttrs,
  type ShortAttr,
  shortAttrSize,
  writeShortAttrs,
} from './short-edit.ts';

/** The hash that an attribute is sorted by. */
function hashOf(ip: XfsInode, flags: number, name: Uint8Array, value: Uint8Array): number {
  if ((flags & AttrFlag.PARENT) === 0) return hashName(name);
  const parent = readBe64(new DataView(value.buffer, value.byteOffset, value.length), 0);
  return (hashDirName(name, ip.mp.features.asciiCi) ^ Math.floor(parent / 0x1_0000_0000) ^ parent) >>> 0;
}

/** True if an attribute is the one meant; parent pointers must agree in their value too. */
function isSame(wanted: ShortAttr, flags: number, name: Uint8Array, value: Uint8Array | null): boolean {
  if ((flags & ATTR_NSP_MASK) !== wanted.flags || !sameName(wanted.name, name, 0, name.length)) return false;
  if ((wanted.flags & AttrFlag.PARENT) === 0) return true;
  return value !== null && sameName(wanted.value, value, 0, value.length);
}

/** Adds an attribute, or gives it a new value. @throws FsError ENOSPC, EUCLEAN */
export function attrSet(tp: Trans, ip: XfsInode, attr: ShortAttr): void {
  tp.modifyInode(ip);
  if (!ip.hasAttrFork) {
    addAttrFork(tp, ip, AttrShortHeader.size + AttrShortEntry.size + attr.name.length + attr.value.length);
    noteAttributes(tp, ip.mp);
  }
  const fork = ip.attrFork;
  if (fork.format === 'local' || fork.nextents === 0) {
    const attrs = fork.format === 'local' ? readShortAttrs(ip) : [];
    const others = attrs.filter((other) => !isSame(attr, other.flags, other.name, other.value));
    if (writeShortAttrs(tp, ip, [...others, attr])) return;
    shortToLeaf(tp, ip, others);
  } else removeFromTree(tp, ip, attr);
  addToTree(tp, ip, attr);
}

/** Removes an attribute; false if it is not there. @throws FsError ENOSPC, EUCLEAN */
export function attrRemove(tp: Trans, ip: XfsInode, attr: ShortAttr): boolean {
  if (!ip.hasAttrFork) return false;
  const fork = ip.attrFork;
  if (fork.format !== 'local') return fork.nextents > 0 && removeFromTree(tp, ip, attr) && treeToShort(tp, ip);
  const attrs = readShortAttrs(ip);
  const others = attrs.filter((other) => !isSame(attr, other.flags, other.name, other.value));
  if (others.length === attrs.length) return false;
  if (others.length === 0 && mayDropFork(ip)) dropAttrFork(tp, ip);
  else writeShortAttrs(tp, ip, others);
  return true;
}

/** Linux keeps an empty fork below a btree data fork, on attr1 images, and where parent pointers need it. */
function mayDropFork(ip: XfsInode): boolean {
  return ip.mp.features.attr2 && ip.dataFork.format !== 'btree' && !ip.mp.features.parent;
}

function shortToLeaf(tp: Trans, ip: XfsInode, attrs: readonly ShortAttr[]): void {
  const geo = attrGeometry(ip.mp);
  tp.modifyInode(ip);
  const { start, size } = ip.attrFork;
  ip.buf.bytes.fill(0, start, start + size);
  setForkFormat(ip, 'attr', 'extents');
  const block = daGrow(tp, ip, 'attr', geo, 0);
  const leaf = newLeaf(tp, ip, geo, block);
  const entries = attrs.map(({ flags, name, value }) => ({
    hash: hashOf(ip, flags, name, value),
    flags,
    name,
    value,
    valueBlock: 0,
    valueSize: value.length,
  }));
  entries.sort((a, b) => a.hash - b.hash);
  writeAttrLeaf(tp, geo, leaf, entries);
}

function newLeaf(tp: Trans, ip: XfsInode, geo: AttrGeometry, block: number): Buf {
  return daInit(tp, ip, 'attr', geo, block, DaMagic.attrLeaf[geo.v5 ? 1 : 0], ip.mp.ops.attrLeaf);
}

function addToTree(tp: Trans, ip: XfsInode, attr: ShortAttr): void {
  const geo = attrGeometry(ip.mp);
  const tree = new DaTree(ip, attrKind(geo));
  const hash = hashOf(ip, attr.flags, attr.name, attr.value);
  const local = localSize(attr.name.length, attr.value.length) < geo.localMax;
  // The value's blocks first: mapping them does not move the tree.
  const entry: LeafAttr = {
    hash,
    flags: attr.flags,
    name: attr.name,
    value: local ? attr.value : null,
    valueBlock: local ? 0 : writeRemote(tp, ip, attr.value),
    valueSize: attr.value.length,
  };
  const path = tree.descend(hash);
  const attrs = readAttrLeaf(geo, path.leaf);
  let index = attrs.findIndex((other) => other.hash >= hash);
  if (index < 0) index = attrs.length;
  attrs.splice(index, 0, entry);
  if (leafSize(geo, attrs) <= geo.blockSize) {
    writeAttrLeaf(tp, geo, path.leaf, attrs);
    tree.fixHashes(tp, path);
  } else split(tp, tree, geo, path, attrs, index);
}

/** Spreads the attributes of a full leaf over two leaves, or three if the new one, at `index`, fits with neither half. */
function split(tp: Trans, tree: DaTree, geo: AttrGeometry, path: DaPath, attrs: LeafAttr[], index: number): void {
  const cut = bestCut(geo, attrs);
  if (cut > 0) {
    insertRight(tp, tree, geo, path, attrs.slice(cut), attrs.slice(0, cut));
    return;
  }
  const block = path.leafBlock;
  const before = attrs.slice(0, index);
  const after = attrs.slice(index + 1);
  const middle = attrs.slice(index, index + 1);
  // Here both neighbours of the new attribute exist: with one side empty a cut into two would have fit.
  insertRight(tp, tree, geo, path, after, before);
  const again =
    path.depth === 1 ? tree.descend((before[before.length - 1] as LeafAttr).hash) : pathTo(tree, block, before);
  insertRight(tp, tree, geo, again, middle, before);
}

function pathTo(tree: DaTree, block: number, attrs: readonly LeafAttr[]): DaPath {
  const path = tree.descend((attrs[0] as LeafAttr).hash);
  // Leaves of one hash may lie before it; they are never more than the tree has blocks.
  while (path.leafBlock !== block) if (!tree.shift(path, true)) throw new Error(`attribute leaf ${block} is lost`);
  return path;
}

/** Leaves `keep` in the path's leaf and puts `move` into a new one after it. */
function insertRight(
  tp: Trans,
  tree: DaTree,
  geo: AttrGeometry,
  path: DaPath,
  move: LeafAttr[],
  keep: LeafAttr[],
): void {
  const block = daGrow(tp, tree.ip, 'attr', geo, 0);
  const fresh = newLeaf(tp, tree.ip, geo, block);
  writeAttrLeaf(tp, geo, fresh, move);
  writeAttrLeaf(tp, geo, path.leaf, keep);
  tree.insertAfter(tp, path, fresh, block);
}

/** Where to cut so that both parts fit and are nearly equal; 0 if there is no such place. */
function bestCut(geo: AttrGeometry, attrs: readonly LeafAttr[]): number {
  const total = leafSize(geo, attrs) - geo.header;
  const room = geo.blockSize - geo.header;
  let left = 0;
  let best = 0;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (let i = 1; i < attrs.length; i++) {
    left += 8 + attrSize(attrs[i - 1] as LeafAttr);
    const distance = Math.abs(total - 2 * left);
    if (left > room || total - left > room || distance >= bestDistance) continue;
    best = i;
    bestDistance = distance;
  }
  return best;
}

/** Removes the attribute from its leaf; false if it is not there. */
function removeFromTree(tp: Trans, ip: XfsInode, attr: ShortAttr): boolean {
  const geo = attrGeometry(ip.mp);
  const tree = new DaTree(ip, attrKind(geo));
  const hash = hashOf(ip, attr.flags, attr.name, attr.value);
  const path = tree.descend(hash);
  for (let more = true; more; more = tree.shift(path, true)) {
    const attrs = readAttrLeaf(geo, path.leaf);
    const index = attrs.findIndex((other) => other.hash === hash && isSame(attr, other.flags, other.name, other.value));
    if (index >= 0) {
      removeAt(tp, tree, geo, path, attrs, index);
      return true;
    }
    const last = attrs[attrs.length - 1];
    if (last !== undefined && last.hash > hash) return false;
  }
  return false;
}

function removeAt(tp: Trans, tree: DaTree, geo: AttrGeometry, path: DaPath, attrs: LeafAttr[], index: number): void {
  const [gone] = attrs.splice(index, 1) as [LeafAttr];
  if (gone.value === null && gone.valueBlock > 0) freeRemote(tp, tree.ip, gone.valueBlock, gone.valueSize);
  writeAttrLeaf(tp, geo, path.leaf, attrs);
  tree.fixHashes(tp, path);
  const small = leafSize(geo, attrs) < Math.floor((geo.blockSize * 37) / 100);
  if (path.depth > 1 && (small || attrs.length === 0)) tree.join(tp, path);
}

/** Moves the attributes into the inode when there is one leaf and they fit; always true. */
function treeToShort(tp: Trans, ip: XfsInode): true {
  const geo = attrGeometry(ip.mp);
  const tree = new DaTree(ip, attrKind(geo));
  const path = tree.descend(0);
  if (path.depth > 1) return true;
  const leaf = path.leaf;
  const attrs = readAttrLeaf(geo, leaf).filter(({ flags }) => (flags & AttrFlag.INCOMPLETE) === 0);
  if (attrs.some(({ value }) => value === null)) return true;
  const short = attrs.map(({ flags, name, value }) => ({ flags, name, value: value as Uint8Array }));
  if (shortAttrSize(short) === Number.POSITIVE_INFINITY) return true;
  const drop = short.length === 0 && mayDropFork(ip);
  if (!drop && !fitsShort(ip, short)) return true;
  daShrink(tp, ip, 'attr', geo, 0, leaf);
  if (drop) dropAttrFork(tp, ip);
  else writeShortAttrs(tp, ip, short);
  return true;
}

function fitsShort(ip: XfsInode, attrs: readonly ShortAttr[]): boolean {
  return meetingPoint(ip, shortAttrSize(attrs)) > 0;
}
