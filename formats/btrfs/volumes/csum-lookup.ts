/** Checksums of file data, from the csum tree: items of many sectors each, keyed by the first one's address. */
import { corrupt } from '../../../core/errors.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import type { CsumLookup } from './data-face.ts';

/** A lookup in the csum tree; `root` is asked each time, since a commit moves it. */
export function csumLookup(root: () => TreeRoot, sectorSize: number, csumSize: number): CsumLookup {
  const key = new Key();
  return (bytenr, length, into, present) => {
    const end = bytenr + length;
    const cursor = new TreeCursor(root());
    cursor.searchBack(key.set(Objectid.EXTENT_CSUM, ItemType.EXTENT_CSUM, bytenr));
    if (!isCsum(cursor)) cursor.search(key);
    for (; isCsum(cursor) && cursor.key.offset < end; cursor.next()) {
      const first = cursor.key.offset;
      if (cursor.size % csumSize !== 0 || first % sectorSize !== 0) throw badItem(first);
      const from = Math.max(first, bytenr);
      const to = Math.min(first + (cursor.size / csumSize) * sectorSize, end);
      if (from >= to) continue;
      const { view } = cursor;
      const start = cursor.at + ((from - first) / sectorSize) * csumSize;
      const count = (to - from) / sectorSize;
      const index = (from - bytenr) / sectorSize;
      into.set(new Uint8Array(view.buffer, view.byteOffset + start, count * csumSize), index * csumSize);
      present.fill(1, index, index + count);
    }
    cursor.close();
  };
}

function isCsum(cursor: TreeCursor): boolean {
  return cursor.valid && cursor.key.type === ItemType.EXTENT_CSUM;
}

function badItem(bytenr: number): Error {
  return corrupt({ structure: `csum item ${bytenr}`, rule: 'not whole sectors' });
}
