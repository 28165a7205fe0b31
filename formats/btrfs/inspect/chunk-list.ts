/** The chunks, a row for each stripe: where it lies on its device, and how full the chunk is. */
import { FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { BlockGroupItem } from '../structure/chunk.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';

/** A stripe of a chunk. */
export interface ChunkRow {
  readonly devid: number;
  /** Its number among those of its device, by place. */
  readonly number: number;
  /** BlockGroupFlag bits. */
  readonly flags: number;
  /** Device address, bytes. */
  readonly physical: number;
  /** Bytes of the chunk, and how many of them are used; null where that cannot be read. */
  readonly length: number;
  readonly used: number | null;
  readonly logical: number;
  /** Its number among those of its device, by logical address. */
  readonly logicalNumber: number;
}

/** All chunks, by device and place there. @throws FsError EUCLEAN */
export function chunkRows(mp: BtrfsMount): ChunkRow[] {
  const counts = new Map<number, number>();
  const rows: Omit<ChunkRow, 'number'>[] = [];
  for (const { logical, length, type, stripes } of mp.space.chunks) {
    const used = usedBytes(mp, logical);
    for (const { member, addr } of stripes) {
      const logicalNumber = (counts.get(member.devid) ?? 0) + 1;
      counts.set(member.devid, logicalNumber);
      rows.push({ devid: member.devid, flags: type, physical: addr, length, used, logical, logicalNumber });
    }
  }
  rows.sort((a, b) => a.devid - b.devid || a.physical - b.physical);
  let number = 0;
  return rows.map((row, i) => {
    number = rows[i - 1]?.devid === row.devid ? number + 1 : 1;
    return { ...row, number };
  });
}

function usedBytes(mp: BtrfsMount, logical: number): number | null {
  try {
    const cursor = new TreeCursor(mp.blockGroupRoot());
    try {
      cursor.search(new Key(logical, ItemType.BLOCK_GROUP_ITEM, 0));
      const { key, view, at } = cursor;
      const there = cursor.valid && key.objectid === logical && key.type === ItemType.BLOCK_GROUP_ITEM;
      return there ? BlockGroupItem.get.used(view, at) : 0;
    } finally {
      cursor.close();
    }
  } catch (error) {
    if (error instanceof FsError) return null;
    throw error;
  }
}
