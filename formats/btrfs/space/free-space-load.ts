/**
 * What a group has to give away, found when it is first needed: from the free-space tree if there is a valid one,
 * else from the gaps between the extents of the extent tree. Caches of version 1 are not read: like Linux after a
 * change by somebody who does not know them, the superblock's cache generation calls them outdated from the first
 * commit on. Mirrors caching_thread of block-group.c.
 */
import { corrupt } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { BlockGroup } from './block-group.ts';
import { FreeSpaceItems } from './free-space-items.ts';
import { RangeSet } from './ranges.ts';

/** The free ranges of a group, superblocks left out. @throws FsError EUCLEAN */
export function loadFreeSpace(mp: BtrfsMount, group: BlockGroup): RangeSet {
  const free = new RangeSet();
  const root = mp.freeSpaceRoot();
  if (root === null) scanExtents(mp, group, free);
  else {
    const items = new FreeSpaceItems(mp, group, root);
    try {
      items.read((start, length) => free.add(start, length));
    } finally {
      items.close();
    }
    if (free.bytes !== group.length - group.used) {
      const rule = `block group has ${group.length - group.used}`;
      throw corrupt({ structure: `free space of block group ${group.start}`, value: String(free.bytes), rule });
    }
  }
  for (const { start, length } of group.supers) free.cut(start, length);
  return free;
}

function scanExtents(mp: BtrfsMount, group: BlockGroup, free: RangeSet): void {
  const cursor = new TreeCursor(mp.extentRoot());
  let at = group.start;
  try {
    cursor.search(new Key(group.start, 0, 0));
    for (; cursor.valid && cursor.key.objectid < group.end; cursor.next()) {
      const { type } = cursor.key;
      if (type !== ItemType.EXTENT_ITEM && type !== ItemType.METADATA_ITEM) continue;
      const start = cursor.key.objectid;
      const end = start + (type === ItemType.METADATA_ITEM ? mp.nodeSize : cursor.key.offset);
      if (start < at || end > group.end) {
        throw corrupt({ structure: `extent ${start}`, value: String(end - start), rule: 'overlaps another' });
      }
      if (start > at) free.add(at, start - at);
      at = end;
    }
  } finally {
    cursor.close();
  }
  if (at < group.end) free.add(at, group.end - at);
}
