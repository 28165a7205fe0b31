/** A directory of the image as browse shows it. */
import { fullMode } from '../../commands/mode.ts';
import type { Session } from '../../commands/session.ts';
import { FsError } from '../../core/errors.ts';
import { FiemapExtent, fiemap } from '../../core/iomap/fiemap.ts';
import { MAX_POS } from '../../core/units.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import type { ListedEntry, Listing } from './protocol.ts';

/** Entries of a directory that are shown. */
const LIMIT = 20_000;

/** Names, sizes and facts, directories first. */
export function listDirectory(session: Session, path: string): Listing {
  try {
    const dir = session.lookup(path, { follow: true });
    const entries: ListedEntry[] = [];
    for (const entry of dir.entries()) {
      if (entry.name === '.' || entry.name === '..') continue;
      entries.push(entryOf(dir.childOf(entry), entry.name));
      if (entries.length >= LIMIT) break;
    }
    const order = ({ type, name }: ListedEntry) => `${type === 'dir' ? 0 : 1}${name}`;
    return { entries: entries.sort((a, b) => (order(a) < order(b) ? -1 : 1)) };
  } catch (error) {
    if (error instanceof FsError) return { error: error.message };
    throw error;
  }
}

function entryOf(inode: Inode, name: string): ListedEntry {
  const stat = inode.stat();
  const modified = new Date(Number(stat.mtime.seconds) * 1000);
  const when = Number.isNaN(modified.getTime()) ? `${stat.mtime.seconds} s` : modified.toISOString();
  const facts = [
    `inode ${stat.ino}, mode ${fullMode(stat).toString(8)}, ${stat.uid}:${stat.gid}, ${stat.nlink} links`,
    `${stat.size} bytes, ${Number(stat.blocks) * 512} on disk, modified ${when}`,
  ];
  if (inode.kind === 'symlink') facts.push(`-> ${inode.readlink()}`);
  if (inode.kind === 'file') facts.push(extentsOf(inode));
  return { name, type: inode.kind, size: Number(stat.size), facts };
}

/** How many extents there are, of the first thousand; more are only said to be more. */
function extentsOf(inode: Inode): string {
  let count = 0;
  let shared = 0;
  try {
    fiemap(
      inode,
      0,
      MAX_POS,
      (_logical, _physical, _length, flags) => {
        if ((flags & FiemapExtent.SHARED) !== 0) shared++;
        return ++count < 1000;
      },
      { untraced: true },
    );
  } catch (error) {
    if (error instanceof FsError) return error.message;
    throw error;
  }
  return `${count < 1000 ? count : 'over 1000'} extents${shared > 0 ? `, ${shared} shared` : ''}`;
}
