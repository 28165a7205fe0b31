/**
 * Looking up a file's blocks in its extent tree: the root lies in the inode, every other node fills a block.
 *
 *     header | entry | entry | …            leaf: runs of blocks           index: nodes below, by their first block
 *
 * Mirrors: fs/ext4/extents.c (ext4_find_extent, __ext4_ext_check, ext4_valid_extent_entries).
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import { corrupt, type Damage } from '../../../core/errors.ts';
import { crc32cRaw } from '../checksum.ts';
import type { Ext4Inode } from '../inode.ts';
import {
  ENTRY,
  EXTENT_MAGIC,
  Extent,
  ExtentHeader,
  ExtentIndex,
  ExtentTail,
  extentLength,
  isUnwritten,
  MAX_EXTENT_DEPTH,
  ROOT_SIZE,
} from '../structure/extent.ts';
import { BlockRun, MAX_FILE_BLOCKS } from './run.ts';

const TWO32 = 2 ** 32;

/**
 * Where a lookup ended: the leaf that covers the block, the last entry at or before it (-1: none), and the first block of
 * what follows the leaf.
 */
class LeafPlace {
  buf!: Buf;
  at = 0;
  entries = 0;
  slot = 0;
  next = 0;
}

/** Finds the leaf for file block `block`: the first one for what lies before it. @throws FsError EUCLEAN, EIO */
function findLeaf(ip: Ext4Inode, block: number, place: LeafPlace): void {
  checkRoot(ip);
  place.buf = ip.buf;
  place.at = ip.blockAt;
  place.next = MAX_FILE_BLOCKS;
  let depth = ExtentHeader.get.depth(place.buf.view, place.at);
  for (; ; depth--) {
    const { view } = place.buf;
    place.entries = ExtentHeader.get.entries(view, place.at);
    place.slot = lastAtMost(view, place.at, place.entries, block);
    if (depth === 0) return;
    const slot = Math.max(0, place.slot);
    if (slot + 1 < place.entries) place.next = entryBlock(view, place.at, slot + 1);
    place.buf = childNode(ip, view, entryAt(place.at, slot), depth - 1);
    place.at = 0;
  }
}

/** Fills `run` with the extent or the hole at file block `block`, from there on. @throws FsError EUCLEAN, EIO */
export function mapExtents(ip: Ext4Inode, block: number, run: BlockRun): void {
  const place = found;
  findLeaf(ip, block, place);
  const { view } = place.buf;
  const { slot } = place;
  if (slot >= 0 && fillFrom(view, entryAt(place.at, slot), block, run)) {
    if (ip.look(place.buf.addr)) extend(ip, place, run);
    return;
  }
  ip.look(place.buf.addr);
  const next = slot + 1 < place.entries ? entryBlock(view, place.at, slot + 1) : place.next;
  run.set(block, next - block, 0, false);
}

/**
 * Shows `visit` what mapExtents() would answer from file block `block` to `end`, without the holes, until it answers
 * false. Returns the block behind the last one that was looked at. @throws FsError EUCLEAN, EIO
 */
export function visitExtents(ip: Ext4Inode, block: number, end: number, visit: (run: BlockRun) => boolean): number {
  const place = found;
  let at = block;
  while (at < end) {
    findLeaf(ip, at, place);
    const { buf, entries, next } = place;
    let single = !ip.look(buf.addr);
    for (let slot = Math.max(0, place.slot); slot < entries; slot++) {
      const first = entryBlock(buf.view, place.at, slot);
      if (first >= end) return end;
      if (!fillFrom(buf.view, entryAt(place.at, slot), Math.max(at, first), told)) continue;
      // The hole before it was the first that this leaf was asked for.
      if (first > at) single = false;
      place.slot = slot;
      if (!single) extend(ip, place, told);
      single = false;
      at = told.logical + told.length;
      if (!visit(told)) return at;
      if (place.buf !== buf) break;
      slot = Math.max(slot, place.slot - 1);
    }
    if (place.buf === buf) at = next;
  }
  return end;
}

const found = new LeafPlace();
const told = new BlockRun();
const more = new BlockRun();

/**
 * Linux keeps the extents of a leaf in memory once it has looked into it, and there what continues on the device is one:
 * the first answer from a leaf is the extent on disk, all later ones are longer.
 */
function extend(ip: Ext4Inode, place: LeafPlace, run: BlockRun): void {
  for (;;) {
    const { view } = place.buf;
    while (++place.slot < place.entries) {
      const next = run.logical + run.length;
      const entry = entryAt(place.at, place.slot);
      if (entryBlock(view, place.at, place.slot) !== next || !fillFrom(view, entry, next, more)) return;
      if (more.physical !== run.physical + run.length || more.unwritten !== run.unwritten) return;
      run.length += more.length;
    }
    const end = run.logical + run.length;
    if (place.next !== end || end >= MAX_FILE_BLOCKS) return;
    findLeaf(ip, end, place);
    if (!ip.lookedAt(place.buf.addr)) return;
    place.slot = -1;
  }
}

function entryAt(at: number, slot: number): number {
  return at + ENTRY * (slot + 1);
}

/** The file block that an entry of either kind starts with. */
function entryBlock(view: DataView, at: number, slot: number): number {
  return view.getUint32(entryAt(at, slot), true);
}

/** Fills `run` with what the extent at `entry` has from `block` on; false if it ends before. */
function fillFrom(view: DataView, entry: number, block: number, run: BlockRun): boolean {
  const first = Extent.get.block(view, entry);
  const length = extentLength(view, entry);
  if (block >= first + length) return false;
  run.set(block, first + length - block, extentStart(view, entry) + (block - first), isUnwritten(view, entry));
  return true;
}

/** The first device block of a leaf's entry. */
export function extentStart(view: DataView, entry: number): number {
  return Extent.get.start_hi(view, entry) * TWO32 + Extent.get.start_lo(view, entry);
}

/** The block of the node that an index entry leads to. */
export function indexChild(view: DataView, entry: number): number {
  return ExtentIndex.get.leaf_hi(view, entry) * TWO32 + ExtentIndex.get.leaf_lo(view, entry);
}

/** The last of a node's entries that starts at or before `block`, -1 if none does. */
function lastAtMost(view: DataView, at: number, entries: number, block: number): number {
  let low = 0;
  let high = entries;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entryBlock(view, at, middle) <= block) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The verified node below an index entry. @throws FsError EUCLEAN, EIO */
export function childNode(ip: Ext4Inode, view: DataView, entry: number, depth: number): Buf {
  const block = indexChild(view, entry);
  const buf = ip.mp.block(block, ip.mapOps);
  const found = ExtentHeader.get.depth(buf.view, 0);
  if (found !== depth)
    throw corrupt({ ...placeOf(ip, buf.addr), field: 'depth', value: `${found}`, rule: `not ${depth}` });
  const first = ExtentIndex.get.block(view, entry);
  if (ExtentHeader.get.entries(buf.view, 0) === 0 || entryBlock(buf.view, 0, 0) === first) return buf;
  const value = String(entryBlock(buf.view, 0, 0));
  throw corrupt({ ...placeOf(ip, buf.addr), field: 'entry 0: block', value, rule: `the index says ${first}` });
}

/** How the blocks of an inode's tree are judged. */
export function makeExtentOps(ip: Ext4Inode): BufOps {
  return {
    name: `extent node of inode ${ip.ino}`,
    logType: 0,
    verify(buf) {
      const fault = nodeDamage(ip, buf.view, 0, buf.length, buf.addr);
      if (fault !== null || !ip.mp.hasCsum) return fault;
      const end = ENTRY * (ExtentHeader.get.max(buf.view, 0) + 1);
      const found = ExtentTail.get.checksum(buf.view, end);
      const computed = crc32cRaw(ip.csumSeed, buf.bytes.subarray(0, end));
      if (found === computed) return null;
      const [value, rule] = [hex(found), `crc, computed ${hex(computed)}`];
      return { ...placeOf(ip, buf.addr), offset: end, field: 'checksum', value, rule };
    },
    seal({ view, bytes }) {
      if (!ip.mp.hasCsum) return;
      const end = ENTRY * (ExtentHeader.get.max(view, 0) + 1);
      ExtentTail.set.checksum(view, end, crc32cRaw(ip.csumSeed, bytes.subarray(0, end)));
    },
  };
}

/** @throws FsError EUCLEAN if the node in the inode is damaged */
export function checkRoot(ip: Ext4Inode): void {
  if (ip.rootChecked) return;
  const fault = nodeDamage(ip, ip.view, ip.blockAt, ROOT_SIZE, ip.buf.addr);
  if (fault !== null) throw corrupt(fault);
  ip.rootChecked = true;
}

function nodeDamage(ip: Ext4Inode, view: DataView, at: number, size: number, addr: number): Damage | null {
  const bad = (field: string, offset: number, value: number | string, rule: string): Damage => {
    return { ...placeOf(ip, addr), offset: at + offset, field, value: String(value), rule };
  };
  const { magic, entries: count, max: most, depth: level } = ExtentHeader.get;
  if (magic(view, at) !== EXTENT_MAGIC) return bad('magic', 0, hex(magic(view, at)), 'magic');
  const entries = count(view, at);
  const max = most(view, at);
  const depth = level(view, at);
  if (depth > MAX_EXTENT_DEPTH) return bad('depth', ExtentHeader.at.depth, depth, `> ${MAX_EXTENT_DEPTH}`);
  const room = Math.floor((size - ENTRY) / ENTRY);
  if (max === 0 || max > room) return bad('max', ExtentHeader.at.max, max, `not 1 to ${room}`);
  if (entries > max) return bad('entries', ExtentHeader.at.entries, entries, `> ${max}`);
  if (entries === 0 && depth > 0) return bad('entries', ExtentHeader.at.entries, 0, `none in a node of depth ${depth}`);
  return depth === 0 ? leafDamage(ip, view, at, entries, bad) : indexDamage(ip, view, at, entries, bad);
}

type Bad = (field: string, offset: number, value: number | string, rule: string) => Damage;

function leafDamage(ip: Ext4Inode, view: DataView, at: number, entries: number, bad: Bad): Damage | null {
  let next = 0;
  for (let i = 1; i <= entries; i++) {
    const entry = at + ENTRY * i;
    const block = Extent.get.block(view, entry);
    const length = extentLength(view, entry);
    if (block < next) return bad(`extent ${i - 1}: block`, ENTRY * i, block, `the one before ends at ${next}`);
    const start = extentStart(view, entry);
    if (length === 0 || block + length > MAX_FILE_BLOCKS || !ip.mp.validDataBlocks(ip.ino, start, length))
      return bad(`extent ${i - 1}: start`, ENTRY * i, `${start}+${length}`, 'not where data can be');
    next = block + length;
  }
  return null;
}

function indexDamage(ip: Ext4Inode, view: DataView, at: number, entries: number, bad: Bad): Damage | null {
  let last = -1;
  for (let i = 1; i <= entries; i++) {
    const entry = at + ENTRY * i;
    const block = ExtentIndex.get.block(view, entry);
    if (block <= last) return bad(`index ${i - 1}: block`, ENTRY * i, block, `<= ${last}`);
    const child = indexChild(view, entry);
    if (!ip.mp.validDataBlocks(ip.ino, child, 1))
      return bad(`index ${i - 1}: leaf`, ENTRY * i, child, 'not where data can be');
    last = block;
  }
  return null;
}

function placeOf(ip: Ext4Inode, addr: number): { structure: string; addr: number } {
  return { structure: `extent node of inode ${ip.ino}`, addr };
}

const hex = (value: number): string => `0x${value.toString(16)}`;
