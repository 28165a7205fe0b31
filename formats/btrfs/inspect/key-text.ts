/** Keys and object ids as dump-tree prints them, where what a number means depends on the item's type. */

import { type Key, representable, unsignedText } from '../structure/key.ts';
import { ItemType, itemTypeName, Objectid, treeName } from '../structure/key-names.ts';

const UUID_TYPES: readonly number[] = [ItemType.UUID_KEY_SUBVOL, ItemType.UUID_KEY_RECEIVED_SUBVOL];
const QGROUP_TYPES: readonly number[] = [ItemType.QGROUP_RELATION, ItemType.QGROUP_INFO, ItemType.QGROUP_LIMIT];

const hex64 = (high: number, low: number): string =>
  `0x${high.toString(16).padStart(8, '0')}${low.toString(16).padStart(8, '0')}`;

/** A qgroup id as `level/number`. */
function qgroupText(high: number, low: number): string {
  return `${high >>> 16}/${(high & 0xffff) * 2 ** 32 + low}`;
}

/** An object id in an item of this type (0: an id by itself). */
export function objectidText(high: number, low: number, type: number): string {
  if (type === ItemType.PERSISTENT_ITEM && high === 0 && low === Objectid.DEV_STATS) return 'DEV_STATS';
  if (type === ItemType.PERSISTENT_ITEM || type === ItemType.DEV_EXTENT) return unsignedText(high, low);
  if (type === ItemType.QGROUP_RELATION) return qgroupText(high, low);
  if (UUID_TYPES.includes(type)) return hex64(high, low);
  if (high === 0xffffffff && low === 0xffffffff) return '-1';
  if (high === 0 && low === Objectid.DEV_ITEMS && type === ItemType.DEV_ITEM) return 'DEV_ITEMS';
  if (high === 0 && low === Objectid.FIRST_CHUNK_TREE && type === ItemType.CHUNK_ITEM) return 'FIRST_CHUNK_TREE';
  if (!representable(high)) return unsignedText(high, low);
  const value = high > 0x1fffff ? (high - 2 ** 32) * 2 ** 32 + low : high * 2 ** 32 + low;
  return SHORT_NAMES[value] ?? treeName(value) ?? unsignedText(high, low);
}

/** Where dump-tree's word is not the kernel's. */
const SHORT_NAMES: Readonly<Record<number, string>> = { [Objectid.TREE_LOG_FIXUP]: 'LOG_FIXUP' };

function offsetText(key: Key): string {
  const { type, fh, fl } = key;
  if (QGROUP_TYPES.includes(type)) return qgroupText(fh, fl);
  if (UUID_TYPES.includes(type)) return hex64(fh, fl);
  if (type === ItemType.ROOT_ITEM) {
    // A relocation tree's offset is the tree that it copies.
    const reloc = key.oh === 0xffffffff && key.ol === 0xfffffff8;
    return reloc ? objectidText(fh, fl, type) : unsignedText(fh, fl);
  }
  return fh === 0xffffffff && fl === 0xffffffff ? '-1' : unsignedText(fh, fl);
}

function typeText(key: Key): string {
  const freeSpace = key.oh === 0xffffffff && key.ol === 0xfffffff5;
  return key.type === 0 && freeSpace ? 'UNTYPED' : itemTypeName(key.type);
}

/** A key: `(FS_TREE ROOT_ITEM 0)`. */
export function keyText(key: Key): string {
  return `(${objectidText(key.oh, key.ol, key.type)} ${typeText(key)} ${offsetText(key)})`;
}

const numeric = (high: number, low: number): number | string =>
  high <= 0x1fffff ? high * 2 ** 32 + low : unsignedText(high, low);

/** A key as data: numbers as they are, the type by name. */
export function keyData(key: Key): object {
  return { objectid: numeric(key.oh, key.ol), type: typeText(key), offset: numeric(key.fh, key.fl) };
}

/** The name of a tree id read from the disk: `FS_TREE`, `257`. */
export function rootText(view: DataView, at: number): string {
  return objectidText(view.getUint32(at + 4, true), view.getUint32(at, true), 0);
}
