/**
 * A new inode: its item, its first name, what it inherits from its directory (kernel: btrfs_create_new_inode,
 * inode_init_owner).
 */

import { FsError } from '../../../core/errors.ts';
import { type Acl, decodeAcl, encodeAcl, inheritAcl } from '../../../core/vfs/acl.ts';
import { kindOfMode } from '../../../core/vfs/file-kind.ts';
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID } from '../../../core/vfs/mode.ts';
import { fileTypeOf } from '../dir.ts';
import type { BtrfsInode } from '../inode.ts';
import { touchRoot } from '../inode-write.ts';
import { InodeFlag, InodeItem, InodeRef } from '../structure/inode.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import { getXattr } from '../xattr.ts';
import { addEntry, takeIndex } from './dir-edit.ts';
import { takeNumber } from './free-number.ts';
import { putBytes } from './item-edit.ts';
import { addOrphan } from './orphans.ts';
import { checkCompression, inheritedCompression, putCompression } from './properties.ts';
import { hasXattrs, putXattr } from './xattr-edit.ts';

/** Items that making an inode may touch: item, reference, two entries, directory, property, two lists, orphan, data. */
export const CREATE_ITEMS = 10;

/** What a new inode shall be. */
export interface NewInode {
  /** Type and permission bits, umask not applied. */
  readonly mode: number;
  /** Its name in the directory, or null for none. */
  readonly name: Uint8Array | null;
  /** The tree's form of a device number. */
  readonly rdev?: number;
  /** Bytes of a link's target. */
  readonly size?: number;
}

/** What a directory gives to the inodes made in it. */
interface Heritage {
  readonly defaultAcl: Acl | null;
  readonly compression: string | null;
}

const NOTHING: Heritage = { defaultAcl: null, compression: null };

function heritageOf(dir: BtrfsInode): Heritage {
  if (!hasXattrs(dir)) return NOTHING;
  const value = getXattr(dir, 'system', 'posix_acl_default');
  return { defaultAcl: value === null ? null : decodeAcl(value), compression: inheritedCompression(dir) };
}

/** Makes the inode, and its name in `dir`. Inside mp.change(). @throws FsError ENOSPC */
export function makeInode(dir: BtrfsInode, wanted: NewInode): BtrfsInode {
  const { mp, root } = dir;
  const heritage = heritageOf(dir);
  const kind = kindOfMode(wanted.mode);
  const acls = inheritAcl(heritage.defaultAcl, kind, wanted.mode, mp.options.owner.umask);
  const ino = takeNumber(root);
  mp.inodes.forget(root.id, ino);
  const index = wanted.name === null ? 0 : takeIndex(dir);
  const flags = inheritedFlags(dir, wanted.mode);
  insertItem(dir, ino, { ...wanted, mode: ownMode(dir, acls.mode) }, flags);
  if (wanted.name !== null) insertRef(dir, ino, wanted.name, index);
  const ip = mp.inodes.get(root, ino);
  if (kind === 'file' || kind === 'dir') inheritCompression(ip, heritage.compression);
  if (acls.default !== null) putXattr(ip, 'system.posix_acl_default', encodeAcl(acls.default));
  if (acls.access !== null) putXattr(ip, 'system.posix_acl_access', encodeAcl(acls.access));
  touchRoot(root);
  if (wanted.name === null) addOrphan(ip);
  else addEntry(dir, wanted.name, new Key(ino, ItemType.INODE_ITEM, 0), fileTypeOf(kind), index);
  return ip;
}

/** Directories below a setgid directory are setgid too. */
function ownMode(dir: BtrfsInode, mode: number): number {
  return (dir.mode & S_ISGID) !== 0 && (mode & S_IFMT) === S_IFDIR ? mode | S_ISGID : mode;
}

function inheritedFlags(dir: BtrfsInode, mode: number): number {
  const { flags } = dir;
  let own = 0;
  if ((flags & InodeFlag.NOCOMPRESS) !== 0) own |= InodeFlag.NOCOMPRESS;
  else if ((flags & InodeFlag.COMPRESS) !== 0) own |= InodeFlag.COMPRESS;
  if ((flags & InodeFlag.NODATACOW) !== 0) {
    own |= InodeFlag.NODATACOW;
    if ((mode & S_IFMT) === S_IFREG) own |= InodeFlag.NODATASUM;
  }
  return own;
}

function inheritCompression(ip: BtrfsInode, compression: string | null): void {
  if (compression === null) return;
  try {
    checkCompression(ip.flags, compression);
  } catch (error) {
    // A file that cannot be compressed does not get the property.
    if (error instanceof FsError) return;
    throw error;
  }
  putCompression(ip, compression);
}

function insertItem(dir: BtrfsInode, ino: number, wanted: NewInode, flags: number): void {
  const { mp, root } = dir;
  const { seconds, nanoseconds } = mp.now();
  const now = { sec: seconds, nsec: nanoseconds };
  const { owner } = mp.options;
  const size = wanted.size ?? 0;
  const cursor = new TreeCursor(root);
  try {
    cursor.insert(new Key(ino, ItemType.INODE_ITEM, 0), InodeItem.size);
    InodeItem.encode(cursor.view, cursor.at, {
      generation: mp.trans.id,
      transid: mp.trans.id,
      size,
      nbytes: size,
      nlink: wanted.name === null ? 0 : 1,
      uid: owner.uid,
      gid: (dir.mode & S_ISGID) !== 0 ? InodeItem.get.gid(dir.item, 0) : owner.gid,
      mode: wanted.mode,
      rdev: wanted.rdev ?? 0,
      flags,
      atime: now,
      ctime: now,
      mtime: now,
      otime: now,
    });
  } finally {
    cursor.close();
  }
}

function insertRef(dir: BtrfsInode, ino: number, name: Uint8Array, index: number): void {
  const cursor = new TreeCursor(dir.root);
  try {
    cursor.insert(new Key(ino, ItemType.INODE_REF, dir.ino), InodeRef.size + name.length);
    InodeRef.set.index(cursor.view, cursor.at, index);
    InodeRef.set.name_len(cursor.view, cursor.at, name.length);
    putBytes(cursor, InodeRef.size, name);
  } finally {
    cursor.close();
  }
}
