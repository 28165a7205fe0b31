/**
 * Inline data of a cloned file: the item itself is copied where it becomes all of the target, else its bytes go to
 * the target's pages, to be written as any others.
 *
 * Mirrors: fs/btrfs/reflink.c (clone_copy_inline_extent, copy_inline_to_page).
 */
import { corrupt } from '../../core/errors.ts';
import { FileExtent } from './file-extent.ts';
import { dropExtents, seekExtent } from './file-extents.ts';
import type { BtrfsInode } from './inode.ts';
import { recordData } from './inode-write.ts';
import { ItemType, Key } from './structure/key.ts';
import { TreeCursor } from './tree/cursor.ts';
import { reserveDirty, withRoom } from './write-state.ts';

const found = new FileExtent();

/**
 * Copies the source's inline data to `pos` of the target; of the target [dropStart, end) is replaced, `end` in whole
 * blocks. @throws FsError ENOSPC, EIO
 */
export function copyInline(target: BtrfsInode, source: BtrfsInode, pos: number, dropStart: number, end: number): void {
  const { mp } = target;
  const item = rawItem(source);
  const size = found.length;
  if (pos > 0 || !fitsLeaf(target, size)) return copyToPage(target, source, pos, size);
  withRoom(mp, () =>
    mp.change('reflink', 6, () => {
      const { bytes } = dropExtents(target, dropStart, end);
      const cursor = new TreeCursor(target.root);
      try {
        cursor.insert(new Key(target.ino, ItemType.EXTENT_DATA, 0), item.length);
        new Uint8Array(cursor.view.buffer, cursor.view.byteOffset + cursor.at, item.length).set(item);
      } finally {
        cursor.close();
      }
      recordData(target, size - bytes);
    }),
  );
}

/** The item of the source as it is in the leaf; `found` describes it. */
function rawItem(source: BtrfsInode): Uint8Array {
  const cursor = new TreeCursor(source.root);
  try {
    if (!seekExtent(cursor, source.ino, 0, found) || !found.inline) {
      throw corrupt({ structure: `inode ${source.ino}`, rule: 'inline data vanished' });
    }
    return new Uint8Array(cursor.view.buffer, cursor.view.byteOffset + cursor.at, cursor.size).slice();
  } finally {
    cursor.close();
  }
}

const present = new FileExtent();

/** True if `size` inline bytes are all that the target will have. */
function fitsLeaf(target: BtrfsInode, size: number): boolean {
  const cursor = new TreeCursor(target.root);
  try {
    if (seekExtent(cursor, target.ino, 0, present) && (present.pos > 0 || !present.inline)) return false;
  } finally {
    cursor.close();
  }
  return target.size <= size;
}

function copyToPage(target: BtrfsInode, source: BtrfsInode, pos: number, size: number): void {
  const { mp } = target;
  const bytes = new Uint8Array(mp.sectorSize);
  mp.reader.find(source, 0, (inline) => {
    bytes.set(mp.reader.unpackInline(source, mp.reader.found, inline).subarray(0, size));
  });
  withRoom(mp, () => reserveDirty(target, pos, pos + mp.sectorSize));
  target.pages.copyIn(pos, bytes, 0, bytes.length);
}
