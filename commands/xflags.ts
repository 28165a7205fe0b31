/** FS_XFLAG_* of FS_IOC_FSGETXATTR, in the order in which xfs_io prints their letters. */
export const Xflag = {
  REALTIME: 0x1,
  PREALLOC: 0x2,
  IMMUTABLE: 0x8,
  APPEND: 0x10,
  SYNC: 0x20,
  NOATIME: 0x40,
  NODUMP: 0x80,
  RTINHERIT: 0x100,
  PROJINHERIT: 0x200,
  NOSYMLINKS: 0x400,
  EXTSIZE: 0x800,
  EXTSZINHERIT: 0x1000,
  NODEFRAG: 0x2000,
  FILESTREAM: 0x4000,
  DAX: 0x8000,
  COWEXTSIZE: 0x10000,
  HASATTR: 0x80000000,
} as const;

/** Each flag's letter and long name. */
export const XFLAG_NAMES: readonly (readonly [flag: number, letter: string, name: string])[] = [
  [Xflag.REALTIME, 'r', 'realtime'],
  [Xflag.PREALLOC, 'p', 'prealloc'],
  [Xflag.IMMUTABLE, 'i', 'immutable'],
  [Xflag.APPEND, 'a', 'append-only'],
  [Xflag.SYNC, 's', 'sync'],
  [Xflag.NOATIME, 'A', 'no-atime'],
  [Xflag.NODUMP, 'd', 'no-dump'],
  [Xflag.RTINHERIT, 't', 'rt-inherit'],
  [Xflag.PROJINHERIT, 'P', 'proj-inherit'],
  [Xflag.NOSYMLINKS, 'n', 'nosymlinks'],
  [Xflag.EXTSIZE, 'e', 'extsize'],
  [Xflag.EXTSZINHERIT, 'E', 'extsz-inherit'],
  [Xflag.NODEFRAG, 'f', 'no-defrag'],
  [Xflag.FILESTREAM, 'S', 'filestream'],
  [Xflag.DAX, 'x', 'dax'],
  [Xflag.COWEXTSIZE, 'C', 'cowextsize'],
  [Xflag.HASATTR, 'X', 'has-xattr'],
];

/** One letter a flag, `-` for those that are not set. */
export function xflagLetters(flags: number): string {
  return XFLAG_NAMES.map(([flag, letter]) => ((flags & flag) !== 0 ? letter : '-')).join('');
}

/** The long names of the flags that are set. */
export function xflagNames(flags: number): string {
  const set = XFLAG_NAMES.filter(([flag]) => (flags & flag) !== 0);
  return set.map(([, , name]) => name).join(', ');
}
