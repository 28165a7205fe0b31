/** Taking a name out of a directory (kernel: ext4_delete_entry, ext4_delete_inline_entry). */
import type { Changes } from '../alloc/changes.ts';
import { putInlineBytes } from '../inline.ts';
import type { Ext4Inode } from '../inode.ts';
import { editInode } from '../recover/inode-edit.ts';
import type { EntryPlace } from './lookup.ts';
import { removeFromRow, rowEnd } from './row-edit.ts';

/** Removes the entry that findName() found. */
export function removeEntry(changes: Changes, dir: Ext4Inode, { row, at, leaf }: EntryPlace): void {
  const { blockSize, hasCsum } = changes.mp;
  if (leaf !== null) {
    changes.modify(leaf);
    removeFromRow({ ...row, end: rowEnd(leaf.length, hasCsum) }, blockSize, at);
    return;
  }
  removeFromRow(row, blockSize, at);
  const { view } = row;
  editInode(changes, dir, () => putInlineBytes(dir, new Uint8Array(view.buffer, view.byteOffset, view.byteLength)));
}
