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

/** FS_*_FL of FS_IOC_GETFLAGS that can be changed here, by the letters of e2fsprogs; `s` is xfs_io's for sync. */
export const FSFLAG_LETTERS: Readonly<Record<string, number>> = {
  S: 0x8,
  s: 0x8,
  D: 0x10000,
  i: 0x10,
  a: 0x20,
  d: 0x40,
  A: 0x80,
  c: 0x4,
  C: 0x800000,
  m: 0x400,
};

/** Letters of flags that FS_XFLAG_* cannot say, or that xfs_io uses for others. */
export const ONLY_FSFLAGS: readonly string[] = ['c', 'C', 'm', 'D', 'S'];

/** The bits in the places that e2fsprogs' lsattr gives them. */
const PLACES: readonly (readonly [letter: string, bit: number])[] = [
  ['s', 0x1],
  ['u', 0x2],
  ['S', 0x8],
  ['D', 0x10000],
  ['i', 0x10],
  ['a', 0x20],
  ['d', 0x40],
  ['A', 0x80],
  ['c', 0x4],
  ['E', 0x800],
  ['j', 0x4000],
  ['I', 0x1000],
  ['t', 0x8000],
  ['T', 0x20000],
  ['e', 0x80000],
  ['C', 0x800000],
  ['x', 0x2000000],
  ['F', 0x40000000],
  ['N', 0x10000000],
  ['P', 0x20000000],
  ['V', 0x100000],
  ['m', 0x400],
];

/** FS_*_FL as e2fsprogs' lsattr prints them. */
export function fsflagLetters(flags: number): string {
  return PLACES.map(([letter, bit]) => ((flags & bit) !== 0 ? letter : '-')).join('');
}

/** The FS_*_FL that say what xflags say. */
export function fsflagsOf(xflags: number): number {
  const pairs: readonly (readonly [number, string])[] = [
    [Xflag.IMMUTABLE, 'i'],
    [Xflag.APPEND, 'a'],
    [Xflag.SYNC, 'S'],
    [Xflag.NOATIME, 'A'],
    [Xflag.NODUMP, 'd'],
  ];
  return pairs.reduce(
    (flags, [bit, letter]) => ((xflags & bit) !== 0 ? flags | (FSFLAG_LETTERS[letter] ?? 0) : flags),
    0,
  );
}
