/**
 * Extended attributes: XATTR_ITEMs of an inode, found by the hash of the full name (kernel: fs/btrfs/xattr.c). They are
 * listed in order of that hash.
 */
import type { Xattr, XattrNamespace } from '../../core/vfs/inode.ts';
import { decodeName, encodeName } from '../../core/vfs/names.ts';
import { bytesAt, findEntry, namedEntries } from './dir-items.ts';
import type { BtrfsInode } from './inode.ts';
import { nameHash } from './name-hash.ts';
import { ItemType, Key } from './structure/key.ts';
import { TreeCursor } from './tree/cursor.ts';

const NAMESPACES: readonly XattrNamespace[] = ['user', 'trusted', 'security', 'system', 'btrfs'];

/** The attributes of an inode. @throws FsError EUCLEAN */
export function listXattrs(ip: BtrfsInode): Xattr[] {
  const found: Xattr[] = [];
  const cursor = new TreeCursor(ip.root);
  try {
    cursor.search(new Key(ip.ino, ItemType.XATTR_ITEM, 0));
    for (; cursor.valid; cursor.next()) {
      if (cursor.key.type !== ItemType.XATTR_ITEM || cursor.key.objectid !== ip.ino) break;
      for (const { nameAt, nameLength, dataLength } of namedEntries(cursor)) {
        const full = decodeName(bytesAt(cursor.view, nameAt, nameLength));
        const namespace = NAMESPACES.find((known) => full.startsWith(`${known}.`));
        if (namespace !== undefined)
          found.push({ namespace, name: full.slice(namespace.length + 1), size: dataLength });
      }
    }
    return found;
  } finally {
    cursor.close();
  }
}

/** The value of an attribute, or null. @throws FsError EUCLEAN */
export function getXattr(ip: BtrfsInode, namespace: XattrNamespace, name: string): Uint8Array | null {
  const full = encodeName(`${namespace}.${name}`);
  const cursor = new TreeCursor(ip.root);
  try {
    if (!cursor.search(new Key(ip.ino, ItemType.XATTR_ITEM, nameHash(full)))) return null;
    const entry = findEntry(cursor, full);
    return entry === null ? null : bytesAt(cursor.view, entry.dataAt, entry.dataLength).slice();
  } finally {
    cursor.close();
  }
}
