import type { FileKind, Stat } from '../core/vfs/inode.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../core/vfs/mode.ts';

const KIND_BITS: Record<FileKind, number> = {
  fifo: S_IFIFO,
  char: S_IFCHR,
  dir: S_IFDIR,
  block: S_IFBLK,
  file: S_IFREG,
  symlink: S_IFLNK,
  socket: S_IFSOCK,
};

/** st_mode: the permission bits and the type. */
export function fullMode(stat: Stat): number {
  return stat.mode | KIND_BITS[stat.kind];
}

const KIND_LETTERS: Record<FileKind, string> = {
  fifo: 'p',
  char: 'c',
  dir: 'd',
  block: 'b',
  file: '-',
  symlink: 'l',
  socket: 's',
};

/** The mode as `ls -l` prints it: `drwxr-sr-t`. */
export function modeText(stat: Pick<Stat, 'mode' | 'kind'>): string {
  const { mode } = stat;
  const triple = (shift: number, special: number, letter: string) => {
    const bits = mode >> shift;
    const set = (mode & special) !== 0;
    const execute = (bits & 1) !== 0 ? (set ? letter : 'x') : set ? letter.toUpperCase() : '-';
    return `${(bits & 4) !== 0 ? 'r' : '-'}${(bits & 2) !== 0 ? 'w' : '-'}${execute}`;
  };
  return `${KIND_LETTERS[stat.kind]}${triple(6, 0o4000, 's')}${triple(3, 0o2000, 's')}${triple(0, 0o1000, 't')}`;
}
