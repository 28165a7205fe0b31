/**
 * Listing a directory in the order and with the positions of Linux: by hash, names of one hash by length and bytes, `.`
 * and `..` among the others. A position is half the hash; getdents gives each entry that of the next one
 * (kernel: do_filldir_main, gfs2_dir_read_leaf).
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../../core/errors.ts';
import type { DirEntry, FileKind } from '../../../core/vfs/inode.ts';
import { decodeName } from '../../../core/vfs/names.ts';
import type { Gfs2Inode } from '../inode.ts';
import { DINODE_SIZE, Dinode } from '../structure/dinode.ts';
import { Dirent, LEAF_SIZE, Leaf } from '../structure/dir.ts';
import { entryKind, type RawEntry, readEntry, scanEntries } from './entry.ts';
import { leafAt, leafChain, tableDepth, tableIndex } from './leaves.ts';

/** An entry that knows the formal number of its inode as well, which is not for users' eyes. */
export class NamedEntry implements DirEntry {
  readonly name: string;
  readonly ino: number;
  readonly kind: FileKind | null;
  readonly offset: number;
  readonly #formal: number;

  constructor(raw: RawEntry, offset: number) {
    this.name = decodeName(raw.name);
    this.ino = Dirent.get.no_addr(raw.buf.view, raw.at);
    this.kind = entryKind(raw);
    this.offset = offset;
    this.#formal = Dirent.get.no_formal_ino(raw.buf.view, raw.at);
  }

  get formal(): number {
    return this.#formal;
  }
}

const positionOf = ({ hash }: RawEntry): number => hash >>> 1;

/** The entries from position `from` on. @throws FsError ENOTDIR, EUCLEAN, EIO */
export function* dirEntries(dp: Gfs2Inode, from = 0): IterableIterator<DirEntry> {
  if (dp.kind !== 'dir') throw new FsError('ENOTDIR');
  let held: RawEntry | null = null;
  for (const entries of groups(dp, from)) {
    for (const entry of entries.sort(inOrder)) {
      if (positionOf(entry) < from) continue;
      if (held !== null) yield new NamedEntry(held, positionOf(entry));
      held = entry;
    }
  }
  if (held !== null) yield new NamedEntry(held, positionOf(held) + 1);
}

function inOrder(a: RawEntry, b: RawEntry): number {
  return positionOf(a) - positionOf(b) || a.name.length - b.name.length || Buffer.compare(a.name, b.name);
}

/** The entries that lie together: all of them, or those of a chain of leaves, chains by rising hash. */
function* groups(dp: Gfs2Inode, from: number): Generator<RawEntry[], void, undefined> {
  const total = Dinode.get.di_entries(dp.view, 0);
  if (total === 0) return;
  if (!dp.has('EXHASH')) {
    yield gather(dp, dp.buf, DINODE_SIZE, total, 'di_entries');
    return;
  }
  const depth = tableDepth(dp);
  for (let index = tableIndex(depth, (from * 2) >>> 0); index < 2 ** depth; ) {
    let leafDepth = -1;
    const entries: RawEntry[] = [];
    for (const leaf of leafChain(dp, leafAt(dp, index))) {
      if (leafDepth < 0) leafDepth = Leaf.get.lf_depth(leaf.view, 0);
      const count = Leaf.get.lf_entries(leaf.view, 0);
      for (const entry of gather(dp, leaf, LEAF_SIZE, count, 'lf_entries')) entries.push(entry);
    }
    if (leafDepth > depth)
      throw corrupt({
        structure: `leaf of directory ${dp.ino}`,
        field: 'lf_depth',
        value: String(leafDepth),
        rule: `> ${depth}, the table's`,
      });
    yield entries;
    const span = 2 ** (depth - leafDepth);
    index = index - (index % span) + span;
  }
}

/** The entries of a block, of which there must be `count`. @throws FsError EUCLEAN */
function gather(dp: Gfs2Inode, buf: Buf, start: number, count: number, field: string): RawEntry[] {
  const found: RawEntry[] = [];
  scanEntries(dp, buf, start, (at) => found.push(readEntry(dp, buf, at)));
  if (found.length === count) return found;
  throw corrupt({
    structure: start === DINODE_SIZE ? `directory ${dp.ino}` : `leaf of directory ${dp.ino}`,
    addr: buf.addr,
    field,
    value: String(count),
    rule: `${found.length} entries are there`,
  });
}
