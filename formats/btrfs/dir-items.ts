/** Items that hold several named entries one after the other: DIR_ITEM, DIR_INDEX and XATTR_ITEM. */
import { corrupt } from '../../core/errors.ts';
import { DirItem } from './structure/dir.ts';
import type { Key } from './structure/key.ts';

/** An item: its key, and where its data are. A cursor is one. */
export interface ItemPlace {
  readonly key: Key;
  readonly view: DataView;
  readonly at: number;
  readonly size: number;
}

/** One entry of an item: where its parts are in the leaf. */
export interface NamedEntry {
  /** Of the entry's header, in the leaf's view. */
  readonly at: number;
  readonly nameAt: number;
  readonly nameLength: number;
  readonly dataAt: number;
  readonly dataLength: number;
}

/** The entries of an item, in order; of a cursor's item until it moves. @throws FsError EUCLEAN */
export function* namedEntries(item: ItemPlace): IterableIterator<NamedEntry> {
  const { view, at: start, size } = item;
  const end = start + size;
  for (let at = start; at < end; ) {
    if (at + DirItem.size > end) throw bad(item, 'size', size, 'ends within an entry');
    const nameLength = DirItem.get.name_len(view, at);
    const dataLength = DirItem.get.data_len(view, at);
    const nameAt = at + DirItem.size;
    const dataAt = nameAt + nameLength;
    if (dataAt + dataLength > end) throw bad(item, 'name_len', nameLength, 'reaches beyond the item');
    yield { at, nameAt, nameLength, dataAt, dataLength };
    at = dataAt + dataLength;
  }
}

/** The entry with this name in an item, or null. @throws FsError EUCLEAN */
export function findEntry(item: ItemPlace, name: Uint8Array): NamedEntry | null {
  for (const entry of namedEntries(item)) if (nameIs(item, entry, name)) return entry;
  return null;
}

function nameIs(item: ItemPlace, entry: NamedEntry, name: Uint8Array): boolean {
  if (entry.nameLength !== name.length) return false;
  const { view } = item;
  for (let i = 0; i < name.length; i++) if (view.getUint8(entry.nameAt + i) !== name[i]) return false;
  return true;
}

/** Bytes of a leaf, in place. */
export function bytesAt(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
}

function bad(item: ItemPlace, field: string, value: number, rule: string): Error {
  return corrupt({ structure: `item ${item.key}`, field, value: String(value), rule });
}
