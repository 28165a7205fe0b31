/** An extent tree entry by entry, from the root down and from left to right. */
import type { Ext4Inode } from '../inode.ts';
import { ENTRY, Extent, ExtentHeader, ExtentIndex, extentLength, isUnwritten } from '../structure/extent.ts';
import { checkRoot, childNode, extentStart, indexChild } from './extents.ts';

/** One entry; the next one is told in the same object. */
export class TreeEntry {
  /** The node's level, 0 for the root, and the tree's depth. */
  level = 0;
  depth = 0;
  /** Which entry of how many in its node, from 0 on. */
  index = 0;
  count = 0;
  /** The first file block. */
  logical = 0;
  /** Blocks of the file; of an entry that leads to a node: as far as the next one. */
  length = 0;
  /** The first block of the device: of data, or of the node below. */
  physical = 0;
  unwritten = false;

  get leaf(): boolean {
    return this.level === this.depth;
  }
}

/**
 * Shows `visit` every entry, until it answers false; returns whether it never did. `end`: the file block at which the last
 * one of a level ends. @throws FsError EUCLEAN, EIO
 */
export function walkExtents(ip: Ext4Inode, end: number, visit: (entry: TreeEntry) => boolean): boolean {
  checkRoot(ip);
  const entry = new TreeEntry();
  entry.depth = ExtentHeader.get.depth(ip.view, ip.blockAt);
  return walkNode(ip, ip.view, ip.blockAt, 0, end, entry, visit);
}

function walkNode(
  ip: Ext4Inode,
  view: DataView,
  at: number,
  level: number,
  end: number,
  entry: TreeEntry,
  visit: (entry: TreeEntry) => boolean,
): boolean {
  const { depth } = entry;
  const count = ExtentHeader.get.entries(view, at);
  for (let index = 0; index < count; index++) {
    const place = at + ENTRY * (index + 1);
    entry.level = level;
    entry.index = index;
    entry.count = count;
    if (level === depth) fillLeaf(view, place, entry);
    else {
      entry.logical = ExtentIndex.get.block(view, place);
      const next = index + 1 < count ? ExtentIndex.get.block(view, place + ENTRY) : end;
      entry.length = next - entry.logical;
      entry.physical = indexChild(view, place);
      entry.unwritten = false;
    }
    if (!visit(entry)) return false;
    if (level === depth) continue;
    const next = index + 1 < count ? ExtentIndex.get.block(view, place + ENTRY) : end;
    const child = childNode(ip, view, place, depth - level - 1);
    if (!walkNode(ip, child.view, 0, level + 1, next, entry, visit)) return false;
  }
  return true;
}

function fillLeaf(view: DataView, place: number, entry: TreeEntry): void {
  entry.unwritten = isUnwritten(view, place);
  entry.length = extentLength(view, place);
  entry.logical = Extent.get.block(view, place);
  entry.physical = extentStart(view, place);
}
