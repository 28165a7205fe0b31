/** Everything a user may do to an image, as far as damage could hurt: each step may fail, with an FsError only. */
import { FsError } from '../../core/errors.ts';
import { fiemap } from '../../core/iomap/fiemap.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import { seekData, seekHole } from '../../core/iomap/seek.ts';
import { bufferedWrite } from '../../core/iomap/write.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Inode } from '../../core/vfs/inode.ts';

/** Counts the errors by code; anything but an FsError is thrown on. */
export class Attempts {
  readonly refused = new Map<string, number>();
  done = 0;

  try<T>(act: () => T): T | null {
    try {
      const value = act();
      this.done++;
      return value;
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      this.refused.set(error.code, (this.refused.get(error.code) ?? 0) + 1);
      return null;
    }
  }
}

const chunk = new Uint8Array(65536);
/** A directory that contains itself must not walk for ever; the shared images have about 2,500 paths. */
const MOST_PATHS = 4000;

/** Looks at every file: stat, names, links, attributes, extents, holes and a part of the data. */
export function look(fs: Filesystem, attempts: Attempts): void {
  attempts.try(() => fs.statfs());
  const root = attempts.try(() => fs.root());
  if (root === null) return;
  const queue: Inode[] = [root];
  const seen = new Set<string>([nameOf(root)]);
  for (let inode = queue.shift(); inode !== undefined && seen.size < MOST_PATHS; inode = queue.shift()) {
    lookAt(inode, attempts);
    if (inode.kind !== 'dir') continue;
    const entries = attempts.try(() => [...(inode as Inode).entries()]) ?? [];
    for (const entry of entries) {
      attempts.try(() => (inode as Inode).lookup(entry.name));
      const child = attempts.try(() => (inode as Inode).childOf(entry));
      if (child === null || seen.has(nameOf(child))) continue;
      seen.add(nameOf(child));
      queue.push(child);
    }
  }
}

function nameOf(inode: Inode): string {
  return `${inode.subvolume ?? 0}/${inode.ino}`;
}

function lookAt(inode: Inode, attempts: Attempts): void {
  attempts.try(() => inode.stat());
  const xattrs = attempts.try(() => inode.listXattrs()) ?? [];
  for (const { namespace, name } of xattrs) attempts.try(() => inode.getXattr(namespace, name));
  if (inode.kind === 'symlink') attempts.try(() => inode.readlink());
  if (inode.kind !== 'file') return;
  attempts.try(() => fiemap(inode, 0, Number.MAX_SAFE_INTEGER, () => true));
  attempts.try(() => seekHole(inode, 0));
  attempts.try(() => seekData(inode, Math.floor(inode.size / 2)));
  attempts.try(() => bufferedRead(inode, 0, chunk));
  attempts.try(() => bufferedRead(inode, Math.max(0, inode.size - chunk.length), chunk));
}

/** Changes a few files in every way there is, and syncs. */
export function change(fs: Filesystem, attempts: Attempts): void {
  const root = attempts.try(() => fs.root());
  if (root === null) return;
  const get = (name: string): Inode | null => attempts.try(() => root.child(name));
  const made = attempts.try(() => root.create('made-by-the-fuzzer', 0o644));
  for (const inode of [made, get('mib'), get('frag'), get('clone'), get('prealloc')]) {
    if (inode === null) continue;
    attempts.try(() => bufferedWrite(inode, 5000, chunk));
    attempts.try(() => bufferedWrite(inode, 1_000_001, chunk.subarray(0, 100)));
    attempts.try(() => inode.fsync(false));
    attempts.try(() => inode.truncate(70_000));
  }
  const clone = get('frag-clone');
  if (made !== null && clone !== null) attempts.try(() => made.reflink(clone, 0, 0, 0));
  const frag = get('frag');
  if (frag !== null) attempts.try(() => frag.truncate(0));
  attempts.try(() => fs.sync());
  attempts.try(() => fs.unmount());
}
