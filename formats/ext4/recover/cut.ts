/**
 * Cutting a file's blocks off from one on, as truncation does: what leads to blocks is shortened in place, from the end,
 * and a node that has nothing left goes (kernel: ext4_ext_remove_space, ext4_ind_truncate).
 */

import type { Changes } from '../alloc/changes.ts';
import { markBlocks } from '../alloc/marks.ts';
import type { Ext4Inode } from '../inode.ts';
import { childNode, extentStart } from '../map/extents.ts';
import { DIRECT } from '../map/indirect.ts';
import { BlockRun } from '../map/run.ts';
import { inodeSectors } from '../stat.ts';
import {
  ENTRY,
  Extent,
  ExtentHeader,
  extentLength,
  isUnwritten,
  MAX_EXTENT_LENGTH,
  ROOT_ENTRIES,
} from '../structure/extent.ts';
import { editInode, setSectors } from './inode-edit.ts';

/** Frees the blocks of an inode from file block `from` on, and what then leads to nothing. @throws FsError EUCLEAN, EIO */
export function cutBlocks(changes: Changes, ip: Ext4Inode, from: number): void {
  const { mp } = changes;
  const freed: Freed = { runs: [], nodes: [] };
  if (ip.has('EXTENTS')) cutExtents(changes, ip, from, freed);
  else cutIndirect(changes, ip, from, freed);
  const kept = keptCluster(ip, from);
  let clusters = 0;
  for (const { physical, length } of freed.runs) {
    for (const [start, count] of outside(physical, length, kept, mp.clusterBlocks))
      clusters += markBlocks(changes, start, count, false);
  }
  for (const block of freed.nodes) {
    changes.forget(block);
    clusters += markBlocks(changes, block, 1, false);
  }
  const sectors = (clusters * mp.clusterBlocks * mp.blockSize) / 512;
  if (clusters > 0) setSectors(changes, ip, Math.max(0, inodeSectors(ip) - sectors));
}

interface Freed {
  readonly runs: { readonly physical: number; readonly length: number }[];
  /** Blocks that led to others. */
  readonly nodes: number[];
}

/** The first block of the cluster that blocks before `from` still use, or -1. */
function keptCluster(ip: Ext4Inode, from: number): number {
  const { clusterBlocks } = ip.mp;
  const run = new BlockRun();
  const start = Math.floor(from / clusterBlocks) * clusterBlocks;
  for (let block = start; block < from; block += run.length) {
    ip.map(block, run);
    if (run.physical !== 0) return Math.floor(run.physical / clusterBlocks) * clusterBlocks;
  }
  return -1;
}

/** The parts of a run that lie outside one cluster. */
function outside(start: number, length: number, cluster: number, size: number): [number, number][] {
  if (cluster < 0 || size === 1 || cluster + size <= start || cluster >= start + length) return [[start, length]];
  const parts: [number, number][] = [];
  if (cluster > start) parts.push([start, cluster - start]);
  if (cluster + size < start + length) parts.push([cluster + size, start + length - cluster - size]);
  return parts;
}

function cutExtents(changes: Changes, ip: Ext4Inode, from: number, freed: Freed): void {
  const left = cutNode(changes, ip, ip.buf.view, ip.blockAt, from, freed);
  editInode(changes, ip, (view) => {
    ExtentHeader.set.entries(view, ip.blockAt, left);
    if (left > 0) return;
    ExtentHeader.set.depth(view, ip.blockAt, 0);
    ExtentHeader.set.max(view, ip.blockAt, ROOT_ENTRIES);
  });
}

/** Cuts a node; returns how many of its entries are left. Only the inode's own node is not written by this. */
function cutNode(changes: Changes, ip: Ext4Inode, view: DataView, at: number, from: number, freed: Freed): number {
  const depth = ExtentHeader.get.depth(view, at);
  const entries = ExtentHeader.get.entries(view, at);
  let left = entries;
  for (let i = entries; i > 0; i--) {
    const entry = at + ENTRY * i;
    const first = view.getUint32(entry, true);
    if (depth === 0) {
      if (!cutExtent(view, entry, from, freed)) break;
      left = i - 1;
      continue;
    }
    const child = childNode(ip, view, entry, depth - 1);
    changes.modify(child);
    const rest = cutNode(changes, ip, child.view, 0, from, freed);
    ExtentHeader.set.entries(child.view, 0, rest);
    if (rest === 0) {
      freed.nodes.push(child.addr / ip.mp.blockSize);
      left = i - 1;
    }
    if (first <= from) break;
  }
  return left;
}

/** Cuts one extent; true if nothing of it is left. */
function cutExtent(view: DataView, entry: number, from: number, freed: Freed): boolean {
  const first = Extent.get.block(view, entry);
  const length = extentLength(view, entry);
  const keep = Math.max(0, from - first);
  if (keep >= length) return false;
  freed.runs.push({ physical: extentStart(view, entry) + keep, length: length - keep });
  if (keep > 0) Extent.set.len(view, entry, isUnwritten(view, entry) ? keep + MAX_EXTENT_LENGTH : keep);
  return keep === 0;
}

function cutIndirect(changes: Changes, ip: Ext4Inode, from: number, freed: Freed): void {
  const perBlock = ip.mp.blockSize / 4;
  editInode(changes, ip, (view) => {
    cutNumbers(changes, ip, view, ip.blockAt, DIRECT, 0, 1, 0, from, freed);
    let start = DIRECT;
    let span = perBlock;
    for (let level = 1; level <= 3; level++) {
      const at = ip.blockAt + 4 * (DIRECT + level - 1);
      cutNumbers(changes, ip, view, at, 1, start, span, level, from, freed);
      start += span;
      span *= perBlock;
    }
  });
}

/**
 * Cuts `count` numbers from byte `at` on, each of which leads to `span` file blocks, the first to that from `start` on.
 * Returns whether any of them is left.
 */
function cutNumbers(
  changes: Changes,
  ip: Ext4Inode,
  view: DataView,
  at: number,
  count: number,
  start: number,
  span: number,
  level: number,
  from: number,
  freed: Freed,
): boolean {
  const perBlock = ip.mp.blockSize / 4;
  let some = false;
  for (let i = 0; i < count; i++) {
    const number = view.getUint32(at + 4 * i, true);
    const first = start + i * span;
    if (number === 0) continue;
    if (first + span <= from) {
      some = true;
      continue;
    }
    if (level === 0) freed.runs.push({ physical: number, length: 1 });
    else {
      const buf = ip.mp.block(number, ip.mapOps);
      changes.modify(buf);
      if (cutNumbers(changes, ip, buf.view, 0, perBlock, first, span / perBlock, level - 1, from, freed)) {
        some = true;
        continue;
      }
      freed.nodes.push(number);
    }
    view.setUint32(at + 4 * i, 0, true);
  }
  return some;
}
