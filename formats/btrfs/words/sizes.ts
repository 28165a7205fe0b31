/** Sizes as btrfs-progs prints them. */
import { BlockGroupFlag } from '../structure/chunk.ts';
import { profileOf } from '../volumes/profile.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `312.86MiB`; with `raw`, plain bytes. */
export function sizeText(bytes: number, raw = false): string {
  if (raw) return String(bytes);
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${Math.fround(value).toFixed(2)}${UNITS[unit]}`;
}

/** What a group holds: `Data`, `Metadata`, `System`, `Data+Metadata`. */
export function groupTypeText(flags: number): string {
  const both = BlockGroupFlag.DATA | BlockGroupFlag.METADATA;
  if ((flags & both) === both) return 'Data+Metadata';
  if ((flags & BlockGroupFlag.SYSTEM) !== 0) return 'System';
  if ((flags & BlockGroupFlag.METADATA) !== 0) return 'Metadata';
  return (flags & BlockGroupFlag.DATA) !== 0 ? 'Data' : 'unknown';
}

/** How a group is spread: `single`, `DUP`, `RAID1`. */
export function groupProfileText(flags: number): string {
  return profileOf(flags)?.name ?? 'unknown';
}
