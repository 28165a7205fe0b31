/** Feature bits of the superblock by name, and which of them can be read or written here. */

/** incompat_flags: who does not know a bit must not read. */
export const Incompat = {
  MIXED_BACKREF: 1n << 0n,
  DEFAULT_SUBVOL: 1n << 1n,
  MIXED_GROUPS: 1n << 2n,
  COMPRESS_LZO: 1n << 3n,
  COMPRESS_ZSTD: 1n << 4n,
  BIG_METADATA: 1n << 5n,
  EXTENDED_IREF: 1n << 6n,
  RAID56: 1n << 7n,
  SKINNY_METADATA: 1n << 8n,
  NO_HOLES: 1n << 9n,
  METADATA_UUID: 1n << 10n,
  RAID1C34: 1n << 11n,
  ZONED: 1n << 12n,
  EXTENT_TREE_V2: 1n << 13n,
  RAID_STRIPE_TREE: 1n << 14n,
  SIMPLE_QUOTA: 1n << 16n,
  REMAP_TREE: 1n << 17n,
} as const;

/** compat_ro_flags: who does not know a bit must not write. */
export const CompatRo = {
  FREE_SPACE_TREE: 1n << 0n,
  FREE_SPACE_TREE_VALID: 1n << 1n,
  VERITY: 1n << 2n,
  BLOCK_GROUP_TREE: 1n << 3n,
} as const;

/** Incompat bits that make an image unreadable here, and why. */
const REFUSED: readonly (readonly [bigint, string])[] = [
  [Incompat.EXTENT_TREE_V2, 'experimental, its format is not settled'],
  [Incompat.RAID_STRIPE_TREE, 'the place of data is in a tree that fsio does not read'],
  [Incompat.REMAP_TREE, 'the place of data is in a tree that fsio does not read'],
];

/** Incompat bits that allow reading only, and why. */
const READ_ONLY: readonly (readonly [bigint, string])[] = [
  [Incompat.ZONED, 'zones must be written in sequence on a zoned device'],
];

export interface FeatureVerdict {
  /** Why the image cannot be opened, or null. */
  readonly refused: string | null;
  /** Why it can only be read, or null. */
  readonly readOnly: string | null;
}

/** The names of the set bits, `bit 42` for those without. */
export function featureNames(flags: bigint, names: Readonly<Record<string, bigint>>): string[] {
  const found: string[] = [];
  let rest = flags;
  for (const [name, bit] of Object.entries(names)) {
    if ((rest & bit) === 0n) continue;
    found.push(name);
    rest &= ~bit;
  }
  for (let bit = 0; rest !== 0n; bit++, rest >>= 1n) if ((rest & 1n) !== 0n) found.push(`bit ${bit}`);
  return found;
}

const allBits = (names: Readonly<Record<string, bigint>>): bigint =>
  Object.values(names).reduce((all, bit) => all | bit, 0n);

/** Whether an image with these feature bits can be read and written. */
export function judgeFeatures(incompat: bigint, compatRo: bigint): FeatureVerdict {
  const unknown = incompat & ~allBits(Incompat);
  if (unknown !== 0n) {
    return { refused: `unknown incompat feature ${featureNames(unknown, {}).join(', ')}`, readOnly: null };
  }
  for (const [bit, why] of REFUSED) {
    if ((incompat & bit) !== 0n)
      return { refused: `feature ${featureNames(bit, Incompat)[0]}: ${why}`, readOnly: null };
  }
  const unknownRo = compatRo & ~allBits(CompatRo);
  if (unknownRo !== 0n) {
    return { refused: null, readOnly: `unknown compat_ro feature ${featureNames(unknownRo, {}).join(', ')}` };
  }
  for (const [bit, why] of READ_ONLY) {
    if ((incompat & bit) !== 0n)
      return { refused: null, readOnly: `feature ${featureNames(bit, Incompat)[0]}: ${why}` };
  }
  return { refused: null, readOnly: null };
}
