/**
 * Reading directories: by name through DIR_ITEM (found by the name's hash), in order through DIR_INDEX, whose key
 * offset is the position that getdents tells. An entry leads to an inode of the same tree, or to a subvolume.
 *
 * Mirrors: fs/btrfs/inode.c (btrfs_real_readdir, btrfs_inode_by_name, btrfs_lookup_dentry).
 */
import { corrupt, FsError } from '../../core/errors.ts';
import type { DirEntry, FileKind } from '../../core/vfs/inode.ts';
import { decodeName, encodeName } from '../../core/vfs/names.ts';
import { bytesAt, findEntry, namedEntries } from './dir-items.ts';
import type { BtrfsInode } from './inode.ts';
import { nameHash } from './name-hash.ts';
import { DirItem, FileType } from './structure/dir.ts';
import { InodeExtref, NAME_MAX } from './structure/inode.ts';
import { ItemType, Key } from './structure/key.ts';
import { enterSubvolume, SUBVOLUME_ROOT_INO, subvolumeParent } from './subvolume.ts';
import { TreeCursor } from './tree/cursor.ts';

/** What a directory entry leads to: an INODE_ITEM of the same tree, or the ROOT_ITEM of a subvolume. */
export interface Location {
  readonly objectid: number;
  readonly type: number;
  /** FileType of the entry. */
  readonly kind: number;
}

/** An entry that remembers where it leads. */
interface BtrfsDirEntry extends DirEntry {
  readonly location: Location;
}

const KINDS: readonly (FileKind | null)[] = [null, 'file', 'dir', 'char', 'block', 'fifo', 'socket', 'symlink', null];
/** Positions of `.` and `..`; names begin behind. */
const DOT = 0;
const DOT_DOT = 1;
/** Where Linux leaves a directory that was read to its end. */
const END = 0x7fffffff;
/** Entries that are looked at together: the tree may change between two such looks. */
const BATCH = 256;

/** The FileType of a kind of file. */
export function fileTypeOf(kind: FileKind): number {
  return KINDS.indexOf(kind);
}

/** What `name` leads to in a directory, or null. @throws FsError ENOTDIR, ENAMETOOLONG, EUCLEAN */
export function dirLookup(dir: BtrfsInode, name: string): Location | null {
  mustBeDir(dir);
  const bytes = encodeName(name);
  if (bytes.length > NAME_MAX) throw new FsError('ENAMETOOLONG');
  const cursor = new TreeCursor(dir.root);
  try {
    if (!cursor.search(new Key(dir.ino, ItemType.DIR_ITEM, nameHash(bytes)))) return null;
    const entry = findEntry(cursor, bytes);
    return entry === null ? null : locationAt(dir, cursor.view, entry.at);
  } finally {
    cursor.close();
  }
}

/** The inode behind `name`, `.` and `..` included, or null. @throws FsError as dirLookup() */
export function dirChild(dir: BtrfsInode, name: string): BtrfsInode | null {
  if (name === '.') return dir;
  if (name === '..') return parentOf(dir);
  const location = dirLookup(dir, name);
  return location === null ? null : follow(dir, name, location);
}

/** The inode of an entry that dirEntries() gave. @throws FsError ENOENT, EUCLEAN */
export function dirChildOf(dir: BtrfsInode, entry: DirEntry): BtrfsInode {
  const { location } = entry as Partial<BtrfsDirEntry>;
  if (location !== undefined) return follow(dir, entry.name, location);
  const child = dirChild(dir, entry.name);
  if (child === null) throw new FsError('ENOENT');
  return child;
}

function follow(dir: BtrfsInode, name: string, location: Location): BtrfsInode {
  if (location.type === ItemType.ROOT_ITEM) return enterSubvolume(dir, name, location.objectid);
  const inode = dir.mp.inodes.get(dir.root, location.objectid);
  const type = fileTypeOf(inode.kind);
  if (type !== location.kind) {
    const structure = `entry ${JSON.stringify(name)} of directory ${dir.ino} in tree ${dir.root.id}`;
    throw corrupt({ structure, field: 'type', value: String(location.kind), rule: `inode is a ${inode.kind}` });
  }
  return inode;
}

/** The directory that a directory is in; a root is in itself. @throws FsError EUCLEAN */
export function parentOf(dir: BtrfsInode): BtrfsInode {
  if (dir.ino === SUBVOLUME_ROOT_INO) return subvolumeParent(dir);
  const cursor = new TreeCursor(dir.root);
  try {
    cursor.search(new Key(dir.ino, ItemType.INODE_REF, 0));
    if (cursor.valid && cursor.key.objectid === dir.ino) {
      if (cursor.key.type === ItemType.INODE_REF) return dir.mp.inodes.get(dir.root, cursor.key.offset);
      if (cursor.key.type === ItemType.INODE_EXTREF && cursor.size >= InodeExtref.size)
        return dir.mp.inodes.get(dir.root, InodeExtref.get.parent_objectid(cursor.view, cursor.at));
    }
  } finally {
    cursor.close();
  }
  throw corrupt({ structure: `directory ${dir.ino} of tree ${dir.root.id}`, rule: 'no name leads to it' });
}

/** Entries in directory order from a position on; each tells the position of the next. @throws FsError ENOTDIR, EUCLEAN */
export function* dirEntries(dir: BtrfsInode, from: number): IterableIterator<DirEntry> {
  mustBeDir(dir);
  let batch = readBatch(dir, Math.max(from, DOT_DOT + 1));
  if (from <= DOT) yield { name: '.', ino: dir.ino, kind: 'dir', offset: DOT_DOT };
  if (from <= DOT_DOT) yield { name: '..', ino: parentOf(dir).ino, kind: 'dir', offset: batch[0]?.position ?? END };
  while (batch.length > 0) {
    const last = batch[batch.length - 1] as Found;
    const next = batch.length < BATCH ? [] : readBatch(dir, last.position + 1);
    for (let i = 0; i < batch.length; i++) {
      const { name, location } = batch[i] as Found;
      const offset = (batch[i + 1] ?? next[0])?.position ?? Math.max(END, last.position >= END ? 2 ** 53 - 1 : END);
      const entry: BtrfsDirEntry = {
        name,
        ino: location.objectid,
        kind: KINDS[location.kind] ?? null,
        offset,
        location,
      };
      yield entry;
    }
    batch = next;
  }
}

interface Found {
  readonly position: number;
  readonly name: string;
  readonly location: Location;
}

function readBatch(dir: BtrfsInode, from: number): Found[] {
  const found: Found[] = [];
  const cursor = new TreeCursor(dir.root);
  try {
    cursor.search(new Key(dir.ino, ItemType.DIR_INDEX, from));
    for (; cursor.valid && found.length < BATCH; cursor.next()) {
      const { key } = cursor;
      if (key.type !== ItemType.DIR_INDEX || key.objectid !== dir.ino) break;
      const position = key.offset;
      // Linux shows the first entry; there is never another.
      for (const { at, nameAt, nameLength } of namedEntries(cursor)) {
        const name = decodeName(bytesAt(cursor.view, nameAt, nameLength));
        found.push({ position, name, location: locationAt(dir, cursor.view, at) });
        break;
      }
    }
    return found;
  } finally {
    cursor.close();
  }
}

const key = new Key();

function locationAt(dir: BtrfsInode, view: DataView, at: number): Location {
  key.read(view, at + DirItem.at.location);
  if (key.type !== ItemType.INODE_ITEM && key.type !== ItemType.ROOT_ITEM) {
    const structure = `directory ${dir.ino} of tree ${dir.root.id}`;
    throw corrupt({ structure, field: 'location', value: String(key), rule: 'leads to no inode' });
  }
  return { objectid: key.objectid, type: key.type, kind: DirItem.get.type(view, at) & ~FileType.ENCRYPTED };
}

function mustBeDir(dir: BtrfsInode): void {
  if (dir.kind !== 'dir') throw new FsError('ENOTDIR');
}
