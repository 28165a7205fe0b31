/** Finding a name in a directory of any form: through the hash index, which reads only the blocks on the way. */

import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../../core/errors.ts';
import { readBe64 } from '../../../core/struct.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import type { XfsInode } from '../inode.ts';
import { DirFtype, MAX_NAME_LENGTH } from '../structure/dir.ts';
import { entryOf, findBlock, readBlock } from './block-edit.ts';
import { dirForm } from './form.ts';
import { type DirGeometry, dataEntrySize, dirGeometry } from './geometry.ts';
import { hashDirName, sameName } from './hash.ts';
import { findLeaf } from './leaf-edit.ts';
import { findNode } from './node-edit.ts';
import { findShort, readShort } from './short-edit.ts';

/** What an entry says: the inode, and its type where the directory records it (0 elsewhere). */
export interface DirTarget {
  readonly ino: number;
  readonly ftype: number;
}

/** The entry behind `name`, or null. @throws FsError ENOTDIR, ENAMETOOLONG, EUCLEAN */
export function dirLookup(dp: XfsInode, name: string): DirTarget | null {
  if (dp.kind !== 'dir') throw new FsError('ENOTDIR');
  const bytes = encodeName(name);
  if (bytes.length > MAX_NAME_LENGTH) throw new FsError('ENAMETOOLONG');
  if (name === '.') return { ino: dp.ino, ftype: DirFtype.DIR };
  if (bytes.length === 0) return null;
  const target = findEntry(dp, bytes);
  if (target === null || dp.mp.validIno(target.ino)) return target;
  throw corrupt({
    structure: `directory ${dp.ino}`,
    field: 'inumber',
    value: String(target.ino),
    rule: 'no inode of this image',
  });
}

/** As dirLookup, for the bytes of a name that is not `.`. */
export function findEntry(dp: XfsInode, name: Uint8Array): DirTarget | null {
  const now = dp.mp.log?.settled ?? -1;
  const same = dp === absentIn && now === absentSince && now >= 0;
  if (same && sameName(name, absentName, 0, absentName.length)) return null;
  const target = searchEntry(dp, name);
  if (target === null) {
    absentIn = dp;
    absentName = name;
    absentSince = now;
  }
  return target;
}

// Who creates a file looks whether it exists, and then whether it may be created: the answer is still true.
let absentIn: XfsInode | null = null;
let absentName: Uint8Array = new Uint8Array(0);
let absentSince = -1;

function searchEntry(dp: XfsInode, name: Uint8Array): DirTarget | null {
  const geo = dirGeometry(dp.mp);
  const form = dirForm(dp, geo);
  if (form === 'short') return findInShort(dp, geo, name);
  const hash = hashDirName(name, geo.asciiCi);
  if (form === 'block') {
    const buf = readBlock(dp, geo);
    const index = findBlock(geo, buf, name, hash);
    return index < 0 ? null : targetAt(geo, buf, entryOf(geo, buf, index));
  }
  const place = form === 'leaf' ? findLeaf(dp, geo, name, hash) : findNode(dp, geo, name, hash);
  return place === null ? null : targetAt(geo, place.data, place.offset);
}

function findInShort(dp: XfsInode, geo: DirGeometry, name: Uint8Array): DirTarget | null {
  const dir = readShort(dp, geo);
  if (name.length === 2 && name[0] === 0x2e && name[1] === 0x2e) return { ino: dir.parent, ftype: DirFtype.DIR };
  const entry = dir.entries[findShort(geo, dir, name)];
  return entry === undefined ? null : { ino: entry.ino, ftype: entry.ftype };
}

function targetAt(geo: DirGeometry, buf: Buf, at: number): DirTarget {
  const length = buf.bytes[at + 8] as number;
  const tagAt = at + dataEntrySize(geo, length) - 2;
  // An index that points into the middle of an entry must not pass for one.
  if (tagAt + 2 > buf.length || buf.view.getUint16(tagAt) !== at)
    throw corrupt({
      structure: 'directory data block',
      addr: buf.addr,
      offset: at,
      field: 'tag',
      rule: 'the index names no entry',
    });
  return { ino: readBe64(buf.view, at), ftype: geo.ftype ? (buf.bytes[at + 9 + length] as number) : 0 };
}
