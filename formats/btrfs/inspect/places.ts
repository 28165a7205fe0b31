/** Which extents lie in a range of logical addresses, and which files use them. */

import { FsError } from '../../../core/errors.ts';
import { FAR, slim } from '../../../core/positions.ts';
import type { BtrfsMount } from '../mount.ts';
import { ExtentFlag, ExtentItem } from '../structure/extent.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';

/** An extent in use. */
export interface ExtentPlace {
  readonly bytenr: number;
  readonly length: number;
  readonly metadata: boolean;
}

/** The longest extent that there is: nothing longer need be looked for before an address. */
const LONGEST = 128 * 1024 * 1024;

/** The extents that touch [start, start + length), in order, as the last commit left them. @throws FsError EUCLEAN */
export function* extentsIn(mp: BtrfsMount, start: number, length: number): Generator<ExtentPlace> {
  const from = new Key(Math.max(0, start - LONGEST), 0, 0);
  for (;;) {
    const extent = nextExtent(mp, from);
    if (extent === null || extent.bytenr >= start + length) return;
    if (extent.bytenr + extent.length > start) yield extent;
    from.set(extent.bytenr, ItemType.METADATA_ITEM, -1).increment();
  }
}

/** The first extent whose item is at or after `from`. */
function nextExtent(mp: BtrfsMount, from: Key): ExtentPlace | null {
  const cursor = new TreeCursor(mp.extentRoot());
  try {
    for (cursor.search(from); cursor.valid; cursor.next()) {
      const { key, view, at } = cursor;
      if (key.type === ItemType.METADATA_ITEM) return { bytenr: key.objectid, length: mp.nodeSize, metadata: true };
      if (key.type !== ItemType.EXTENT_ITEM) continue;
      const metadata = (ExtentItem.get.flags(view, at) & ExtentFlag.TREE_BLOCK) !== 0;
      return { bytenr: key.objectid, length: key.offset, metadata };
    }
    return null;
  } finally {
    cursor.close();
  }
}

/** A use of an address by a file. */
export interface Use {
  readonly root: number;
  readonly ino: number;
  /** File position of the address; of the use's start with `anywhere`. */
  readonly offset: number | bigint;
}

/**
 * Which files use a logical address; `anywhere`: any part of the extent that it is in.
 * @throws FsError ENOENT if no extent is there, EINVAL for a tree block, EUCLEAN
 */
export function uses(mp: BtrfsMount, logical: number, anywhere: boolean): Use[] {
  const [extent] = extentsIn(mp, logical, 1);
  if (extent === undefined) throw new FsError('ENOENT', { detail: `no extent at ${logical}` });
  if (extent.metadata) throw new FsError('EINVAL', { detail: `${logical} is in a tree block` });
  const within = logical - extent.bytenr;
  return mp.refs
    .filesOf(extent.bytenr)
    .filter((ref) => anywhere || (within >= ref.extentOffset && within < ref.extentOffset + ref.length))
    .map(({ root, ino, offset, extentOffset }) => ({
      root,
      ino,
      offset: sum(offset, anywhere ? 0 : within - extentOffset),
    }))
    .sort((a, b) => b.root - a.root || b.ino - a.ino || Number(b.offset) - Number(a.offset));
}

/** A position and what it is beyond a multiple of 4096. */
function sum(offset: number, rest: number): number | bigint {
  return offset + rest < FAR ? offset + rest : slim(BigInt(offset) + BigInt(rest));
}
