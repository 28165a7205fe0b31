/**
 * A device being replaced: Linux copies it to another in the background, and every write meanwhile goes to both.
 * Here the copy is not written, so what is written in between would be missing from it when Linux goes on.
 */
import { FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { DevReplaceItem } from '../structure/chunk.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';

/** `replace_state` of a replacement that is not at its end. */
const STARTED = 1;
const SUSPENDED = 4;

/** @throws FsError EROFS while a device is being replaced */
export function refuseWhileReplacing(mp: BtrfsMount): void {
  const cursor = new TreeCursor(mp.devRoot);
  try {
    if (!cursor.search(new Key(0, ItemType.DEV_REPLACE, 0)) || cursor.size < DevReplaceItem.size) return;
    const state = DevReplaceItem.get.replace_state(cursor.view, cursor.at);
    if (state !== STARTED && state !== SUSPENDED) return;
    const device = DevReplaceItem.get.src_devid(cursor.view, cursor.at);
    throw new FsError('EROFS', { detail: `device ${device} is being replaced: Linux has to finish that first` });
  } finally {
    cursor.close();
  }
}
