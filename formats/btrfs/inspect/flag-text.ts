/** Bits as dump-tree and dump-super name them. */
import { BlockGroupFlag } from '../structure/chunk.ts';
import { ExtentFlag } from '../structure/extent.ts';
import { Compression, FileExtentType } from '../structure/file-extent.ts';
import { InodeFlag } from '../structure/inode.ts';
import { QgroupStatusFlag } from '../structure/qgroup.ts';
import type { Writer } from './template.ts';

/** The names of the set bits with `|` between them; unknown ones as a number. */
function joined(flags: bigint, names: Readonly<Record<string, number>>): string {
  const found: string[] = [];
  let rest = flags;
  for (const [name, bit] of Object.entries(names)) {
    if ((rest & BigInt(bit)) === 0n) continue;
    found.push(name);
    rest &= ~BigInt(bit);
  }
  if (rest !== 0n) found.push(`UNKNOWN: 0x${rest.toString(16)}`);
  return found.join('|');
}

const at64 =
  (offset: number, write: (value: bigint) => string): Writer =>
  (view, base) =>
    write(view.getBigUint64(base + offset, true));

/** A 64-bit field in hexadecimal. */
export const hexAt = (offset: number): Writer => at64(offset, (value) => `0x${value.toString(16)}`);

/** A 32-bit field in octal. */
export const octalAt =
  (offset: number): Writer =>
  (view, base) =>
    view.getUint32(base + offset, true).toString(8);

const TYPES = [
  ['DATA', BlockGroupFlag.DATA],
  ['METADATA', BlockGroupFlag.METADATA],
  ['SYSTEM', BlockGroupFlag.SYSTEM],
  ['METADATA_REMAP', BlockGroupFlag.METADATA_REMAP],
] as const;
const PROFILES: Readonly<Record<number, string>> = {
  0: 'single',
  [BlockGroupFlag.RAID0]: 'RAID0',
  [BlockGroupFlag.RAID1]: 'RAID1',
  [BlockGroupFlag.DUP]: 'DUP',
  [BlockGroupFlag.RAID10]: 'RAID10',
  [BlockGroupFlag.RAID5]: 'RAID5',
  [BlockGroupFlag.RAID6]: 'RAID6',
  [BlockGroupFlag.RAID1C3]: 'RAID1C3',
  [BlockGroupFlag.RAID1C4]: 'RAID1C4',
};
const PROFILE_MASK = 0x7f8;

/** A group's type and profile: `DATA|single`. */
export function groupText(flags: number): string {
  const types = TYPES.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);
  const profile = flags & PROFILE_MASK;
  return [...types, PROFILES[profile] ?? `UNKNOWN.0x${profile.toString(16)}`].join('|');
}

export const groupAt = (offset: number): Writer => at64(offset, (value) => groupText(Number(value & 0xffffffffn)));

/** An extent's flags: `TREE_BLOCK|FULL_BACKREF`. */
export const extentFlagsAt = (offset: number): Writer =>
  at64(offset, (value) => {
    const known = value & BigInt(ExtentFlag.DATA | ExtentFlag.TREE_BLOCK | ExtentFlag.FULL_BACKREF);
    return joined(known, ExtentFlag);
  });

/** An inode's flags: `NODATASUM|NODATACOW`, `none`. */
export const inodeFlagsAt = (offset: number): Writer => at64(offset, (value) => joined(value, InodeFlag) || 'none');

export const rootFlagsAt = (offset: number): Writer =>
  at64(offset, (value) => ((value & 1n) !== 0n ? 'RDONLY' : 'none'));

/** A quota status: `ON|INCONSISTENT`. */
export const qgroupFlagsAt = (offset: number): Writer =>
  at64(offset, (value) => {
    const { ON, SIMPLE_MODE, RESCAN, INCONSISTENT } = QgroupStatusFlag;
    const rest = value & ~BigInt(ON | SIMPLE_MODE | RESCAN | INCONSISTENT);
    const words = [(value & BigInt(ON)) !== 0n ? 'ON' : 'OFF'];
    if ((value & BigInt(SIMPLE_MODE)) !== 0n) words.push('SIMPLE_MODE');
    if ((value & BigInt(RESCAN)) !== 0n) words.push('SCANNING');
    if ((value & BigInt(INCONSISTENT)) !== 0n) words.push('INCONSISTENT');
    if (rest !== 0n) words.push(`UNKNOWN(0x${rest.toString(16)})`);
    return words.join('|');
  });

const COMPRESSIONS: Readonly<Record<number, string>> = {
  [Compression.NONE]: 'none',
  [Compression.ZLIB]: 'zlib',
  [Compression.LZO]: 'lzo',
  [Compression.ZSTD]: 'zstd',
};

/** The name of a compression: `zstd`. */
export const compressionText = (value: number): string => COMPRESSIONS[value] ?? `UNKNOWN.${value}`;

const EXTENT_TYPES: Readonly<Record<number, string>> = {
  [FileExtentType.INLINE]: 'inline',
  [FileExtentType.REG]: 'regular',
  [FileExtentType.PREALLOC]: 'prealloc',
};

export const fileExtentText = (value: number): string => EXTENT_TYPES[value] ?? 'unknown';

/**
 * Bits in dump-super's manner, below the line with the number; no lines for none:
 *
 *     ( MIXED_BACKREF |
 *       BIG_METADATA )
 */
export function flagLines(flags: bigint, names: readonly (readonly [string, bigint])[]): string[] {
  if (flags === 0n) return [];
  const found: string[] = [];
  let rest = flags;
  for (const [name, bit] of names) {
    if ((rest & bit) === 0n) continue;
    found.push(name);
    rest &= ~bit;
  }
  if (rest !== 0n) found.push(`unknown flag: 0x${rest.toString(16)}`);
  return found.map((name, i) => `\t\t\t${i === 0 ? '( ' : '  '}${name} ${i === found.length - 1 ? ')' : '|'}`);
}
