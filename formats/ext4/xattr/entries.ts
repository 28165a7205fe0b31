/**
 * A row of attribute entries, in an inode or in a block (kernel: fs/ext4/xattr.c, check_xattrs). Names grow from the
 * front, values from the end; value_offs counts from the block's first byte, in an inode from the first entry.
 *
 *     | header | entry name | entry name | 0 0 0 0 | … | value | value |
 */
import { XattrEntry } from '../structure/xattr.ts';

/** Where a row of entries lies in its buffer: byte offsets. */
export interface EntryRow {
  readonly view: DataView;
  /** The first entry. */
  readonly first: number;
  /** What value_offs counts from. */
  readonly origin: number;
  readonly end: number;
}

const MAX_VALUE = 1 << 24;

/** The byte offsets of the entries of a row. Ends quietly where the row leaves its space: rowFault() says so. */
export function* entryPlaces({ view, first, end }: EntryRow): Generator<number, number, undefined> {
  let at = first;
  while (at + 4 <= end && view.getUint32(at, true) !== 0) {
    const next = nextEntry(view, at, end);
    if (next < 0) return at;
    yield at;
    at = next;
  }
  return at;
}

/** Where the entry after one begins, or -1 if that is not before `end`. */
function nextEntry(view: DataView, at: number, end: number): number {
  if (at + XattrEntry.size > end) return -1;
  const next = at + ((XattrEntry.size + XattrEntry.get.name_len(view, at) + 3) & ~3);
  return next < end ? next : -1;
}

/** The bytes of the name of the entry at `at`. */
export function entryName({ view }: EntryRow, at: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at + XattrEntry.size, XattrEntry.get.name_len(view, at));
}

/** The bytes of a value that lies beside the entries; only for rows without a fault. */
export function entryValue({ view, origin }: EntryRow, at: number): Uint8Array {
  const from = origin + XattrEntry.get.value_offs(view, at);
  return new Uint8Array(view.buffer, view.byteOffset + from, XattrEntry.get.value_size(view, at));
}

/** What is wrong with a row. */
export interface RowFault {
  readonly offset: number;
  readonly field: string;
  readonly value: string;
  readonly rule: string;
}

/** The first fault of a row, or null. `validIno` judges the numbers of inodes that hold values. */
export function rowFault(row: EntryRow, validIno: (ino: number) => boolean): RowFault | null {
  const { view, origin, end } = row;
  let last = row.first;
  while (last + 4 <= end && view.getUint32(last, true) !== 0) {
    const next = nextEntry(view, last, end);
    if (next < 0) return fault(last, 'name_len', String(view.getUint8(last)), 'the name leaves its space');
    if (entryName(row, last).includes(0)) return fault(last, 'name', 'with a NUL', 'no name');
    last = next;
  }
  if (last + 4 > end) return fault(last, 'entries', String(last - row.first), 'the row has no end');
  for (const at of entryPlaces(row)) {
    const size = XattrEntry.get.value_size(view, at);
    const inum = XattrEntry.get.value_inum(view, at);
    if (inum !== 0 && !validIno(inum)) return fault(at, 'value_inum', String(inum), 'no inode that may hold a value');
    if (size > MAX_VALUE) return fault(at, 'value_size', String(size), `> ${MAX_VALUE}`);
    if (size === 0 || inum !== 0) continue;
    const from = origin + XattrEntry.get.value_offs(view, at);
    if (from < last + 4 || ((size + 3) & ~3) > end - from)
      return fault(at, 'value_offs', String(from - origin), 'the value leaves its space');
  }
  return null;
}

function fault(offset: number, field: string, value: string, rule: string): RowFault {
  return { offset, field, value, rule };
}
