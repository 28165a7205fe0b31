/** From a name to an inode (kernel: gfs2_dirent_search, gfs2_dir_search). */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../../core/errors.ts';
import type { DirEntry } from '../../../core/vfs/inode.ts';
import { encodeName } from '../../../core/vfs/names.ts';
import type { Gfs2Inode } from '../inode.ts';
import { DINODE_SIZE } from '../structure/dinode.ts';
import { DIRENT_SIZE, Dirent, LEAF_SIZE } from '../structure/dir.ts';
import { nameHash, scanEntries } from './entry.ts';
import { leafAt, leafChain, tableDepth, tableIndex } from './leaves.ts';
import { NamedEntry } from './read.ts';

const NAME_MAX = 255;

/** Both numbers of an inode, as an entry has them. */
export interface Named {
  readonly ino: number;
  readonly formal: number;
}

/** What a name stands for, or null. @throws FsError ENOTDIR, ENAMETOOLONG, EUCLEAN, EIO */
export function dirLookup(dp: Gfs2Inode, name: string): Named | null {
  if (dp.kind !== 'dir') throw new FsError('ENOTDIR');
  const bytes = encodeName(name);
  if (bytes.length > NAME_MAX) throw new FsError('ENAMETOOLONG');
  const hash = nameHash(bytes);
  if (!dp.has('EXHASH')) return findIn(dp, dp.buf, DINODE_SIZE, hash, bytes);
  for (const leaf of leafChain(dp, leafAt(dp, tableIndex(tableDepth(dp), hash)))) {
    const found = findIn(dp, leaf, LEAF_SIZE, hash, bytes);
    if (found !== null) return found;
  }
  return null;
}

function findIn(dp: Gfs2Inode, buf: Buf, start: number, hash: number, name: Uint8Array): Named | null {
  const { view } = buf;
  const { get } = Dirent;
  let found: Named | null = null;
  scanEntries(dp, buf, start, (at) => {
    if (get.de_hash(view, at) !== hash || get.de_name_len(view, at) !== name.length) return;
    for (let i = 0; i < name.length; i++) if (buf.bytes[at + DIRENT_SIZE + i] !== name[i]) return;
    found ??= { ino: get.no_addr(view, at), formal: get.no_formal_ino(view, at) };
  });
  return found;
}

/** The inode behind a name, or null. @throws FsError as dirLookup(), EUCLEAN if it is another one by now */
export function dirChild(dp: Gfs2Inode, name: string): Gfs2Inode | null {
  const found = dirLookup(dp, name);
  return found === null ? null : inodeOf(dp, found);
}

/** The inode of an entry. @throws FsError EUCLEAN, EIO, ENOENT if the entry is gone */
export function dirChildOf(dp: Gfs2Inode, entry: DirEntry): Gfs2Inode {
  const found = entry instanceof NamedEntry ? entry : dirLookup(dp, entry.name);
  if (found === null) throw new FsError('ENOENT');
  return inodeOf(dp, found);
}

function inodeOf(dp: Gfs2Inode, { ino, formal }: Named): Gfs2Inode {
  const inode = dp.mp.iget(ino);
  if (inode.formal === formal) return inode;
  throw corrupt({
    structure: `entry of directory ${dp.ino}`,
    field: 'no_formal_ino',
    value: String(formal),
    rule: `inode ${ino} has ${inode.formal}`,
  });
}
