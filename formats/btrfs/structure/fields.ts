/** Field types of btrfs structures beside core's. */
import { exactPos, labelHigh, realHigh } from '../../../core/positions.ts';
import { type FieldType, le32, struct } from '../../../core/struct.ts';
import { highHalf, joinHalves, KEY_SIZE, Key, lowHalf, unsignedText } from './key.ts';

/** Little-endian 64 bits as a number, negative for the top of the range. @throws FsError EUCLEAN beyond 2^53 - 1 */
export function readU64(view: DataView, at: number): number {
  return joinHalves(view.getUint32(at + 4, true), view.getUint32(at, true));
}

/** The inverse of readU64(). */
export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, lowHalf(value), true);
  view.setUint32(at + 4, highHalf(value), true);
}

/** A 64-bit number; the top of the range (-1 for "none", tree ids) reads negative, and prints unsigned. */
export const u64: FieldType<number> = {
  size: 8,
  getter: (offset) => (view, base) => readU64(view, base + offset),
  setter: (offset) => (view, base, value) => writeU64(view, base + offset, value),
  format: (value) => unsignedText(highHalf(value), lowHalf(value)),
};

/** As u64, but all that is beyond 2^53 - 1 reads as that: for a sum that may be nonsense. */
export const capped: FieldType<number> = {
  ...u64,
  getter: (offset) => (view, base) =>
    Math.min(view.getUint32(base + offset + 4, true) * 0x1_0000_0000 + view.getUint32(base + offset, true), MOST),
};

const MOST = Number.MAX_SAFE_INTEGER;

/** A position or size in a file, by its label (core/positions.ts). @throws FsError EFBIG where it has none */
export const position: FieldType<number> = {
  size: 8,
  getter: (offset) => (view, base) => {
    const low = view.getUint32(base + offset, true);
    return labelHigh(view.getUint32(base + offset + 4, true), low) * 0x1_0000_0000 + low;
  },
  setter: (offset) => (view, base, value) => {
    view.setUint32(base + offset, lowHalf(value), true);
    view.setUint32(base + offset + 4, realHigh(value), true);
  },
  format: (value) => String(exactPos(value)),
};

/**
 * A multiple of 4096, which is exact as a number however large it is; the upper half of the range is negative, as the
 * difference of a file's offset and an extent's may be.
 */
export const coarse: FieldType<number> = {
  ...u64,
  getter: (offset) => (view, base) => readCoarse(view, base + offset),
};

/** As the field type `coarse`. */
export function readCoarse(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

/** A multiple of 4096 that is not below 0: exact up to 2^63 and beyond. */
export function readLength(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

/** A signed 64-bit number, as seconds are; a bigint where a number would round. */
export const s64: FieldType<number | bigint> = {
  size: 8,
  getter: (offset) => (view, base) => {
    const high = view.getInt32(base + offset + 4, true);
    const exact = high >= -0x200000 && high < 0x200000;
    return exact ? high * 0x1_0000_0000 + view.getUint32(base + offset, true) : view.getBigInt64(base + offset, true);
  },
  setter: (offset) => (view, base, value) => {
    if (typeof value === 'bigint') view.setBigInt64(base + offset, value, true);
    else writeU64(view, base + offset, value);
  },
  format: String,
};

/** A key on disk. Reading makes a new Key; where speed counts, use `key.read(view, base + S.at.field)`. */
export const diskKey: FieldType<Key> = {
  size: KEY_SIZE,
  getter: (offset) => (view, base) => new Key().read(view, base + offset),
  setter: (offset) => (view, base, value) => value.write(view, base + offset),
  format: String,
};

/** A point in time (kernel: struct btrfs_timespec). */
export const Timespec = struct('btrfs_timespec', 12, {
  sec: s64,
  nsec: le32,
});

/** A Timespec inside another structure. */
export const timespec: FieldType<{ sec: number | bigint; nsec: number }> = {
  size: Timespec.size,
  getter: (offset) => (view, base) => Timespec.decode(view, base + offset),
  setter: (offset) => (view, base, value) => Timespec.encode(view, base + offset, value),
  format: (value) => `${value.sec}.${value.nsec}`,
};
