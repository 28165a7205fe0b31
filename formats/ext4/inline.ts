/**
 * Data in an inode (feature inline_data): the first 60 bytes where the way to blocks would be, what is more in the
 * attribute system.data, which is there even when it is empty (kernel: fs/ext4/inline.c).
 */
import type { Ext4Inode } from './inode.ts';
import { XattrIndex } from './structure/xattr.ts';
import { type EntryRow, entryValue } from './xattr/entries.ts';
import { findEntry, inodeXattrRow } from './xattr/read.ts';

/** Bytes beside the attribute. */
export const INLINE_FIRST = 60;

const DATA = Buffer.from('data');

function dataEntry(ip: Ext4Inode): { readonly row: EntryRow; readonly at: number } | null {
  const row = inodeXattrRow(ip);
  const at = row === null ? -1 : findEntry(row, XattrIndex.SYSTEM, DATA);
  return row === null || at < 0 ? null : { row, at };
}

/** True if the data are in the inode: the flag alone means nothing. */
export function isInline(ip: Ext4Inode): boolean {
  return ip.has('INLINE_DATA') && dataEntry(ip) !== null;
}

/** The bytes in the inode, the caller's own; they may be more than the file has. */
export function inlineBytes(ip: Ext4Inode): Uint8Array {
  const entry = dataEntry(ip);
  const more = entry === null ? new Uint8Array(0) : entryValue(entry.row, entry.at);
  const bytes = new Uint8Array(INLINE_FIRST + more.length);
  const { buf } = ip;
  bytes.set(buf.bytes.subarray(ip.blockAt, ip.blockAt + INLINE_FIRST));
  bytes.set(more, INLINE_FIRST);
  return bytes;
}

/** Writes as many bytes into the inode as inlineBytes() gave; the caller says that the inode changes. */
export function putInlineBytes(ip: Ext4Inode, bytes: Uint8Array): void {
  ip.buf.bytes.set(bytes.subarray(0, INLINE_FIRST), ip.blockAt);
  const entry = dataEntry(ip);
  if (entry !== null) entryValue(entry.row, entry.at).set(bytes.subarray(INLINE_FIRST));
}
