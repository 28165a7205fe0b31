/** Rules of a file tree's items: inodes, names, attributes, file extents. Mirrors tree-checker.c. */

import { isKnownMode } from '../../../core/vfs/file-kind.ts';
import { S_IFDIR, S_IFMT } from '../../../core/vfs/mode.ts';
import { nameHash } from '../name-hash.ts';
import { HEADER_SIZE, ITEM_SIZE, Item, maxItemSize } from '../structure/block.ts';
import { DirItem, FileType } from '../structure/dir.ts';
import { readLength } from '../structure/fields.ts';
import { Compression, FILE_EXTENT_INLINE_START, FileExtentItem, FileExtentType } from '../structure/file-extent.ts';
import { INODE_FLAG_MASK, INODE_RO_FLAG_MASK, InodeExtref, InodeItem, InodeRef, NAME_MAX } from '../structure/inode.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { isFsTree } from '../structure/key-names.ts';
import { type Fault, fieldFault, leastFault, sizeFault } from './fault.ts';
import type { ItemAt } from './item-at.ts';

const MODE_MASK = 0o177777;
/** FIFO, CHR, DIR, BLK, REG, LNK, SOCK. */

/** True for numbers that inodes have: users' files, the root tree's directory, the free-number cache. */
function isInodeNumber(objectid: number): boolean {
  if (objectid >= Objectid.FIRST_FREE || objectid <= Objectid.LAST_FREE) return true;
  return objectid === Objectid.ROOT_TREE_DIR || objectid === Objectid.FREE_INO;
}

export function inodeItemFault(item: ItemAt): Fault | null {
  const { context, view, key, at, size } = item;
  if (!isInodeNumber(key.objectid)) return { rule: 'no inode has this number' };
  if (key.fh !== 0 || key.fl !== 0) return { rule: 'key offset is not 0' };
  if (size !== InodeItem.size) return sizeFault(size, InodeItem.size);
  const newest = context.generation() + 1;
  for (const field of ['generation', 'transid'] as const) {
    const value = InodeItem.get[field](view, at);
    if (!(value >= 0 && value <= newest)) return fieldFault(field, InodeItem.at[field], value, `> ${newest}`);
  }
  const mode = InodeItem.get.mode(view, at);
  if ((mode & ~MODE_MASK) !== 0 || !isKnownMode(mode)) {
    return fieldFault('mode', InodeItem.at.mode, `0${mode.toString(8)}`, 'no such file type');
  }
  const nlink = InodeItem.get.nlink(view, at);
  if ((mode & S_IFMT) === S_IFDIR && nlink > 1)
    return fieldFault('nlink', InodeItem.at.nlink, nlink, '> 1 of a directory');
  const flags = InodeItem.get.flags(view, at);
  if ((flags & ~INODE_FLAG_MASK) !== 0) {
    return fieldFault('flags', InodeItem.at.flags, `0x${flags.toString(16)}`, 'unknown flag');
  }
  const roFlags = InodeItem.get.ro_flags(view, at);
  if (!context.readOnly && (roFlags & ~INODE_RO_FLAG_MASK) !== 0) {
    return fieldFault('ro_flags', InodeItem.at.ro_flags, `0x${roFlags.toString(16)}`, 'unknown flag');
  }
  return null;
}

/** An item of a file needs its INODE_ITEM before it, or at least another item of the same file. */
function strayFault(item: ItemAt): Fault | null {
  const { key, previous, slot, owner } = item;
  if (slot === 0 || !isFsTree(owner)) return null;
  if (key.oh === previous.oh && key.ol === previous.ol) return null;
  return { rule: `follows ${previous}, an item of another inode` };
}

export function inodeRefFault(item: ItemAt): Fault | null {
  const { view, at, size } = item;
  const stray = strayFault(item);
  if (stray !== null) return stray;
  if (size <= InodeRef.size) return leastFault(size, InodeRef.size + 1);
  for (let pos = 0; pos < size; ) {
    if (pos + InodeRef.size > size) return fieldFault('name', pos, pos, 'header runs past the end of the item');
    const length = InodeRef.get.name_len(view, at + pos);
    if (length === 0 || length > NAME_MAX || pos + InodeRef.size + length > size) {
      return fieldFault(
        'name_len',
        pos + InodeRef.at.name_len,
        length,
        'not from 1 to 255, or past the end of the item',
      );
    }
    pos += InodeRef.size + length;
  }
  return null;
}

export function extrefFault(item: ItemAt): Fault | null {
  const { view, at, size } = item;
  const stray = strayFault(item);
  if (stray !== null) return stray;
  for (let pos = 0; pos < size; ) {
    if (pos + InodeExtref.size > size) return fieldFault('name', pos, pos, 'header runs past the end of the item');
    const length = InodeExtref.get.name_len(view, at + pos);
    if (pos + InodeExtref.size + length > size) {
      return fieldFault('name_len', pos + InodeExtref.at.name_len, length, 'past the end of the item');
    }
    pos += InodeExtref.size + length;
  }
  return null;
}

export function dirItemFault(item: ItemAt): Fault | null {
  const { context, view, key, at, size } = item;
  const stray = strayFault(item);
  if (stray !== null) return stray;
  const most = maxItemSize(context.nodeSize) - DirItem.size;
  for (let pos = 0; pos < size; ) {
    if (pos + DirItem.size > size) return fieldFault('entry', pos, pos, 'header runs past the end of the item');
    const wrong = locationFault(item, at + pos) ?? dirTypeFault(key.type, DirItem.get.type(view, at + pos) & 0x7f);
    if (wrong !== null) return { ...wrong, offset: pos };
    const nameLength = DirItem.get.name_len(view, at + pos);
    const dataLength = DirItem.get.data_len(view, at + pos);
    if (nameLength > NAME_MAX) return fieldFault('name_len', pos + DirItem.at.name_len, nameLength, '> 255');
    if (dataLength > 0 && key.type !== ItemType.XATTR_ITEM) {
      return fieldFault('data_len', pos + DirItem.at.data_len, dataLength, 'not 0');
    }
    const next = pos + DirItem.size + nameLength + dataLength;
    if (nameLength + dataLength > most || next > size) {
      return fieldFault(
        'name_len',
        pos + DirItem.at.name_len,
        `${nameLength}+${dataLength}`,
        'past the end of the item',
      );
    }
    if (key.type !== ItemType.DIR_INDEX) {
      const name = new Uint8Array(view.buffer, view.byteOffset + at + pos + DirItem.size, nameLength);
      const hash = nameHash(name);
      if (key.fh !== 0 || key.fl !== hash)
        return fieldFault('name', pos + DirItem.size, hash, 'its hash is not the key offset');
    }
    pos = next;
  }
  return null;
}

function dirTypeFault(keyType: number, type: number): Fault | null {
  if (type === FileType.UNKNOWN || type >= FileType.MAX) return { field: 'type', value: String(type), rule: 'unknown' };
  if ((type === FileType.XATTR) !== (keyType === ItemType.XATTR_ITEM)) {
    return { field: 'type', value: String(type), rule: 'attributes and names are not mixed' };
  }
  return null;
}

const location = new Key();

function locationFault(item: ItemAt, at: number): Fault | null {
  location.read(item.view, at + DirItem.at.location);
  const bad = (rule: string): Fault => ({ field: 'location', value: String(location), rule });
  if (location.type === ItemType.ROOT_ITEM) {
    return isFsTree(location.objectid) ? null : bad('no subvolume has this id');
  }
  if (location.type !== ItemType.INODE_ITEM && location.type !== 0) return bad('neither an inode nor a subvolume');
  const offsetZero = location.fh === 0 && location.fl === 0;
  if (item.key.type === ItemType.XATTR_ITEM) {
    const zero = offsetZero && location.type === 0 && location.oh === 0 && location.ol === 0;
    return zero ? null : bad('an attribute has none');
  }
  if (!isInodeNumber(location.objectid)) return bad('no inode has this number');
  return offsetZero ? null : bad('offset is not 0');
}

export function fileExtentFault(item: ItemAt): Fault | null {
  const { context, view, key, at, size } = item;
  // Multiples of a sector are exact, whatever their size.
  const pos = key.coarse;
  if (key.fl % context.sectorSize !== 0 || pos >= 2 ** 63)
    return { rule: `key offset is not aligned to ${context.sectorSize}` };
  const stray = strayFault(item);
  if (stray !== null) return stray;
  if (size < FILE_EXTENT_INLINE_START) return leastFault(size, FILE_EXTENT_INLINE_START);
  const type = FileExtentItem.get.type(view, at);
  if (type > FileExtentType.PREALLOC) return fieldFault('type', FileExtentItem.at.type, type, 'unknown');
  const compression = FileExtentItem.get.compression(view, at);
  if (compression > Compression.ZSTD)
    return fieldFault('compression', FileExtentItem.at.compression, compression, 'unknown');
  const encryption = FileExtentItem.get.encryption(view, at);
  if (encryption !== 0) return fieldFault('encryption', FileExtentItem.at.encryption, encryption, 'unknown');
  if (type === FileExtentType.INLINE) {
    const ramBytes = FileExtentItem.get.ram_bytes(view, at);
    if (pos !== 0) return { rule: 'an inline extent is only at 0' };
    if (compression !== Compression.NONE || size === FILE_EXTENT_INLINE_START + ramBytes) return null;
    return fieldFault(
      'ram_bytes',
      FileExtentItem.at.ram_bytes,
      ramBytes,
      `item has ${size - FILE_EXTENT_INLINE_START} bytes`,
    );
  }
  if (size !== FileExtentItem.size) return sizeFault(size, FileExtentItem.size);
  const { sectorSize } = context;
  const wrong =
    lengthFault('ram_bytes', view, at, sectorSize) ??
    lengthFault('disk_bytenr', view, at, sectorSize) ??
    lengthFault('disk_num_bytes', view, at, sectorSize) ??
    lengthFault('offset', view, at, sectorSize) ??
    lengthFault('num_bytes', view, at, sectorSize);
  if (wrong !== null) return wrong;
  const length = readLength(view, at + FileExtentItem.at.num_bytes);
  if (pos + length > 2 ** 63) return fieldFault('num_bytes', FileExtentItem.at.num_bytes, length, 'ends beyond 2^63');
  return extentOverlapFault(item);
}

function lengthFault(field: keyof typeof FileExtentItem.at, view: DataView, at: number, step: number): Fault | null {
  const offset = FileExtentItem.at[field];
  const value = readLength(view, at + offset);
  if (value <= 2 ** 63 && view.getUint32(at + offset, true) % step === 0) return null;
  return fieldFault(field, offset, value, `not aligned to ${step}`);
}

/** Extents of a file in one leaf follow one another. */
function extentOverlapFault(item: ItemAt): Fault | null {
  const { context, view, key, previous, slot, at, size } = item;
  if (slot === 0 || previous.type !== ItemType.EXTENT_DATA) return null;
  if (previous.ol !== key.ol || previous.oh !== key.oh) return null;
  const before = at + size;
  const inline = FileExtentItem.get.type(view, before) === FileExtentType.INLINE;
  const length = inline
    ? Math.ceil(FileExtentItem.get.ram_bytes(view, before) / context.sectorSize) * context.sectorSize
    : readLength(view, before + FileExtentItem.at.num_bytes);
  const end = previous.coarse + length;
  return end > key.coarse ? { rule: `the extent before reaches to ${end}` } : null;
}

/** Size of the item before, of the same leaf. */
export function previousSize(item: ItemAt): number {
  return item.view.getUint32(HEADER_SIZE + (item.slot - 1) * ITEM_SIZE + Item.at.size, true);
}
