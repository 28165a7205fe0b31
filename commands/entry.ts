/** One directory entry as `ls -p` and `stat -p` print it: a line of fields for programs. */
import type { Inode, Stat, Timestamp } from '../core/vfs/inode.ts';
import { fullMode } from './mode.ts';
import type { TextSink } from './text.ts';

export interface Entry {
  readonly name: string;
  readonly stat: Stat;
  /** Where a symbolic link points. */
  readonly target: string | null;
}

export function entryOf(inode: Inode, name: string): Entry {
  return { name, stat: inode.stat(), target: inode.kind === 'symlink' ? inode.readlink() : null };
}

/** Seconds with nine decimals. */
export function timestampText({ seconds, nanoseconds }: Timestamp): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`;
}

/** INO MODE NLINK UID GID SIZE BLOCKS ATIME MTIME CTIME NAME[ -> TARGET], separated by one blank. */
export function writeEntry({ name, stat, target }: Entry, out: TextSink): void {
  const { ino, nlink, uid, gid, size, blocks } = stat;
  const times = [stat.atime, stat.mtime, stat.ctime].map(timestampText).join(' ');
  const arrow = target === null ? '' : ` -> ${target}`;
  out.write(`${ino} ${fullMode(stat).toString(8)} ${nlink} ${uid} ${gid} ${size} ${blocks} ${times} ${name}${arrow}\n`);
}
