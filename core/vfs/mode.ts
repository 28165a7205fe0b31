/** The bits of st_mode (POSIX sys/stat.h), which Unix file systems keep on disk as they are. */
export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFSOCK = 0o140000;
const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
const S_IXGRP = 0o010;

/** The set-id bits that a write or a new owner takes away: set-group-id only where the group may execute. */
export function setIdBits(mode: number): number {
  let bits = mode & S_ISUID;
  if ((mode & S_ISGID) !== 0 && (mode & S_IXGRP) !== 0) bits |= S_ISGID;
  return bits;
}
