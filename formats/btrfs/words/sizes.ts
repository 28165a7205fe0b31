/** Sizes as btrfs-progs prints them. */
import { fixed } from '../../../core/fixed.ts';
import { BlockGroupFlag } from '../structure/chunk.ts';
import { profileOf } from '../volumes/profile.ts';

const PREFIXES = ['', 'K', 'M', 'G', 'T', 'P'];

/** How sizes are printed: in bytes, in one unit, or each in the one that suits it. */
export interface Units {
  readonly base: 1024 | 1000;
  /** The power of `base` that all sizes are printed in, or null. */
  readonly power: number | null;
  readonly raw: boolean;
}

const HUMAN: Units = { base: 1024, power: null, raw: false };
const RAW: Units = { ...HUMAN, raw: true };

/** The options of btrfs-progs that choose units. */
export const UNIT_OPTIONS = {
  b: { about: 'sizes in bytes' },
  raw: { about: 'likewise' },
  h: { about: 'sizes in units of 1024 (default)' },
  'human-readable': { about: 'likewise' },
  iec: { about: 'likewise' },
  H: { about: 'sizes in units of 1000' },
  si: { about: 'likewise' },
  k: { about: 'sizes in KiB, or with --si in kB' },
  kbytes: { about: 'likewise' },
  m: { about: 'sizes in MiB, or MB' },
  mbytes: { about: 'likewise' },
  g: { about: 'sizes in GiB, or GB' },
  gbytes: { about: 'likewise' },
  t: { about: 'sizes in TiB, or TB' },
  tbytes: { about: 'likewise' },
} as const;

/** What the options say. */
export function unitsOf(options: { readonly [name: string]: unknown }): Units {
  const given = (...names: string[]): boolean => names.some((name) => options[name] === true);
  if (given('b', 'raw')) return RAW;
  const base = given('H', 'si') ? 1000 : 1024;
  const power = [
    ['k', 'kbytes'],
    ['m', 'mbytes'],
    ['g', 'gbytes'],
    ['t', 'tbytes'],
  ].findIndex((pair) => given(...pair));
  return { base, power: power < 0 ? null : power + 1, raw: false };
}

/** True if sizes are of different units: then columns are narrower. */
export function isHuman({ raw, power }: Units): boolean {
  return !raw && power === null;
}

/** `312.86MiB`, `312.86MB`; or plain bytes. */
export function sizeText(bytes: number, units: Units = HUMAN): string {
  if (units.raw) return String(bytes);
  const { base } = units;
  let power = units.power ?? 0;
  let value = bytes / base ** power;
  // Each division but the last one drops what is left over.
  if (units.power === null) {
    for (let whole = bytes; whole >= base && power < PREFIXES.length - 1; power++) {
      value = whole / base;
      whole = Math.floor(value);
    }
  }
  const prefix = PREFIXES[power] as string;
  const unit = base === 1024 ? (prefix === '' ? 'B' : `${prefix}iB`) : `${prefix.replace('K', 'k')}B`;
  return `${fixed(Math.fround(value), 2)}${unit}`;
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
