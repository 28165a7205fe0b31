/**
 * The entries of a dinode or leaf: records one behind the other to the end of the block. Only the first may be empty
 * (kernel: gfs2_dirent_scan, gfs2_check_dirent).
 *
 *     no_formal_ino no_addr | hash rec_len name_len type rahead | pad | name …
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { crc32 } from '../../../core/checksum.ts';
import { corrupt } from '../../../core/errors.ts';
import { kindOfType } from '../../../core/vfs/file-kind.ts';
import type { FileKind } from '../../../core/vfs/inode.ts';
import type { Gfs2Inode } from '../inode.ts';
import { DIRENT_SIZE, Dirent } from '../structure/dir.ts';

/** An entry where it lies. */
export interface RawEntry {
  readonly buf: Buf;
  /** Byte offset of the record in the block. */
  readonly at: number;
  readonly hash: number;
  readonly name: Uint8Array;
}

/** The kind of file that an entry names, null for none that is known. */
export function entryKind({ buf, at }: RawEntry): FileKind | null {
  return kindOfType(Dirent.get.de_type(buf.view, at));
}

/** The hash by which a name is found. */
export function nameHash(name: Uint8Array): number {
  return crc32(name);
}

/** Shows `visit` every record with a name from byte `start` of the block on. @throws FsError EUCLEAN */
export function scanEntries(dp: Gfs2Inode, buf: Buf, start: number, visit: (at: number) => void): void {
  const { view, length } = buf;
  const { get } = Dirent;
  for (let at = start; at < length; ) {
    if (at + DIRENT_SIZE > length) throw damaged(dp, buf, at, 'de_rec_len', length - at, 'no room for an entry');
    const recLen = get.de_rec_len(view, at);
    const rule =
      recLen < DIRENT_SIZE
        ? 'too small'
        : recLen % 8 !== 0
          ? 'misaligned'
          : at + recLen > length
            ? 'beyond the end of the block'
            : null;
    if (rule !== null) throw damaged(dp, buf, at, 'de_rec_len', recLen, rule);
    if (get.no_addr(view, at) === 0 || get.no_formal_ino(view, at) === 0) {
      if (at !== start) throw damaged(dp, buf, at, 'no_addr', get.no_addr(view, at), 'empty, and not the first');
    } else {
      const nameLength = get.de_name_len(view, at);
      if (nameLength === 0 || DIRENT_SIZE + nameLength > recLen)
        throw damaged(dp, buf, at, 'de_name_len', nameLength, `does not fit ${recLen} bytes`);
      visit(at);
    }
    at += recLen;
  }
}

/** The entry at a byte of the block, its name and hash judged. @throws FsError EUCLEAN */
export function readEntry(dp: Gfs2Inode, buf: Buf, at: number): RawEntry {
  const nameAt = at + DIRENT_SIZE;
  const name = buf.bytes.subarray(nameAt, nameAt + Dirent.get.de_name_len(buf.view, at));
  const hash = Dirent.get.de_hash(buf.view, at);
  if (nameHash(name) !== hash) throw damaged(dp, buf, at, 'de_hash', hash, 'not that of the name');
  for (const byte of name)
    if (byte === 0 || byte === 0x2f) throw damaged(dp, buf, at, 'name', byte, 'a byte that no name has');
  return { buf, at, hash, name };
}

function damaged(dp: Gfs2Inode, buf: Buf, at: number, field: string, value: number, rule: string): Error {
  return corrupt({
    structure: `entry of directory ${dp.ino}`,
    addr: buf.addr + at,
    offset: field === 'name' ? DIRENT_SIZE : Dirent.at[field as keyof typeof Dirent.at],
    field,
    value: String(value),
    rule,
  });
}
