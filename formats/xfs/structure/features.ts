/**
 * The feature bits of an XFS superblock, by name, up to Linux 6.18 (kernel: fs/xfs/libxfs/xfs_format.h). v4 file
 * systems say them in `versionnum` and `features2`; v5 ones in four 32-bit masks that tell what a reader that does
 * not know a bit may still do.
 */

/** Bits of `versionnum`; the low four are the version. */
export const VersionBit = {
  NUMBITS: 0x000f,
  ATTR: 0x0010,
  NLINK: 0x0020,
  QUOTA: 0x0040,
  ALIGN: 0x0080,
  DALIGN: 0x0100,
  SHARED: 0x0200,
  LOGV2: 0x0400,
  SECTOR: 0x0800,
  EXTFLG: 0x1000,
  DIRV2: 0x2000,
  BORG: 0x4000,
  MOREBITS: 0x8000,
} as const;

/** Bits of `features2`, valid where MOREBITS is set. */
export const Features2Bit = {
  LAZYSBCOUNT: 0x0002,
  ATTR2: 0x0008,
  PARENT: 0x0010,
  PROJID32: 0x0080,
  CRC: 0x0100,
  FTYPE: 0x0200,
} as const;

/** v5: a kernel that does not know one of these may read but not write. */
export const RoCompat = {
  FINOBT: 1 << 0,
  RMAPBT: 1 << 1,
  REFLINK: 1 << 2,
  INOBTCNT: 1 << 3,
} as const;

/** v5: a kernel that does not know one of these must not mount. */
export const Incompat = {
  FTYPE: 1 << 0,
  SPINODES: 1 << 1,
  META_UUID: 1 << 2,
  BIGTIME: 1 << 3,
  NEEDSREPAIR: 1 << 4,
  NREXT64: 1 << 5,
  EXCHRANGE: 1 << 6,
  PARENT: 1 << 7,
  METADIR: 1 << 8,
  ZONED: 1 << 9,
  ZONE_GAPS: 1 << 10,
} as const;

/** v5: a kernel that does not know one of these must not replay the log. */
export const LogIncompat = {
  LOG_XATTRS: 1 << 0,
} as const;

/** The bits of `mask` that no name in `known` has, each as `bit N (0x…)`; empty if all are known. */
export function unknownBits(mask: number, known: Readonly<Record<string, number>>): string[] {
  let rest = mask;
  for (const bit of Object.values(known)) rest &= ~bit;
  const names: string[] = [];
  for (let i = 0; i < 32; i++) if ((rest >>> i) & 1) names.push(`bit ${i} (0x${(2 ** i).toString(16)})`);
  return names;
}
