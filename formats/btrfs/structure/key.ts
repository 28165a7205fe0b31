/**
 * The key of every item in every tree: (objectid, type, offset), compared in that order as unsigned numbers. The
 * two 64-bit halves are kept exactly, as two u32 each: hashes and UUIDs use all bits, and the top of the range holds
 * reserved numbers. As a `number`, a value of the top range is negative: -1 is 2^64 - 1, -5 is ORPHAN.
 *
 * On disk: objectid le64, type u8, offset le64 = 17 bytes.
 */
import { corrupt } from '../../../core/errors.ts';
import { labelHigh, realHigh } from '../../../core/positions.ts';
import { itemTypeName, objectidName } from './key-names.ts';

export { ItemType, Objectid } from './key-names.ts';

/** Bytes of a key on disk. */
export const KEY_SIZE = 17;

const TWO32 = 0x1_0000_0000;
/** High halves up to here make a positive number within 2^53 - 1; from the other on, a negative one. */
const POSITIVE_TOP = 0x1fffff;
const NEGATIVE_BOTTOM = 0xffe00000;

/** Two u32 halves as a number, negative for the top of the u64 range. @throws FsError EUCLEAN between the ranges */
export function joinHalves(high: number, low: number): number {
  if (high <= POSITIVE_TOP) return high * TWO32 + low;
  if (high >= NEGATIVE_BOTTOM) return (high - TWO32) * TWO32 + low;
  throw unrepresentable(high, low);
}

/** True if joinHalves() has an answer. */
export function representable(high: number): boolean {
  return high <= POSITIVE_TOP || high >= NEGATIVE_BOTTOM;
}

/** The high u32 of a number's 64 bits; negative numbers are the top of the u64 range. */
export function highHalf(value: number): number {
  return Math.floor(value / TWO32) >>> 0;
}

/** The low u32 of a number's 64 bits. */
export function lowHalf(value: number): number {
  return value - Math.floor(value / TWO32) * TWO32;
}

/** A key that can be moved and compared without allocating. */
export class Key {
  /** objectid, high and low u32. */
  oh = 0;
  ol = 0;
  type = 0;
  /** offset, high and low u32. */
  fh = 0;
  fl = 0;

  constructor(objectid = 0, type = 0, offset = 0) {
    this.set(objectid, type, offset);
  }

  /** Takes the three parts; negative numbers mean the top of the u64 range. */
  set(objectid: number, type: number, offset: number): this {
    const oq = Math.floor(objectid / TWO32);
    this.oh = oq >>> 0;
    this.ol = objectid - oq * TWO32;
    this.type = type;
    const fq = Math.floor(offset / TWO32);
    this.fh = fq >>> 0;
    this.fl = offset - fq * TWO32;
    return this;
  }

  /** Negative for the top of the u64 range. @throws FsError EUCLEAN if no number can hold it */
  get objectid(): number {
    return joinHalves(this.oh, this.ol);
  }

  get offset(): number {
    return joinHalves(this.fh, this.fl);
  }

  set objectid(value: number) {
    const q = Math.floor(value / TWO32);
    this.oh = q >>> 0;
    this.ol = value - q * TWO32;
  }

  set offset(value: number) {
    const q = Math.floor(value / TWO32);
    this.fh = q >>> 0;
    this.fl = value - q * TWO32;
  }

  /** The offset as a position in a file, by its label (core/positions.ts). @throws FsError EFBIG where it has none */
  get pos(): number {
    return labelHigh(this.fh, this.fl) * TWO32 + this.fl;
  }

  /** The offset as it is, if it is a multiple of 4096: exact because of that, and not below 0. */
  get coarse(): number {
    return this.fh * TWO32 + this.fl;
  }

  /** Takes the key of what a file has at a position, given by its label. */
  setPos(ino: number, type: number, pos: number): this {
    this.set(ino, type, pos);
    this.fh = realHigh(pos);
    return this;
  }

  copyFrom(key: Key): this {
    this.oh = key.oh;
    this.ol = key.ol;
    this.type = key.type;
    this.fh = key.fh;
    this.fl = key.fl;
    return this;
  }

  clone(): Key {
    return new Key().copyFrom(this);
  }

  /** Takes the disk key at `at`. */
  read(view: DataView, at: number): this {
    this.ol = view.getUint32(at, true);
    this.oh = view.getUint32(at + 4, true);
    this.type = view.getUint8(at + 8);
    this.fl = view.getUint32(at + 9, true);
    this.fh = view.getUint32(at + 13, true);
    return this;
  }

  write(view: DataView, at: number): void {
    view.setUint32(at, this.ol, true);
    view.setUint32(at + 4, this.oh, true);
    view.setUint8(at + 8, this.type);
    view.setUint32(at + 9, this.fl, true);
    view.setUint32(at + 13, this.fh, true);
  }

  /** Below zero if this key sorts before `other`. */
  compare(other: Key): number {
    return (
      this.oh - other.oh || this.ol - other.ol || this.type - other.type || this.fh - other.fh || this.fl - other.fl
    );
  }

  /** As compare(), with the disk key at `at`. */
  compareAt(view: DataView, at: number): number {
    return (
      this.oh - view.getUint32(at + 4, true) ||
      this.ol - view.getUint32(at, true) ||
      this.type - view.getUint8(at + 8) ||
      this.fh - view.getUint32(at + 13, true) ||
      this.fl - view.getUint32(at + 9, true)
    );
  }

  /** Makes it the smallest key above; false if there is none. */
  increment(): boolean {
    if (this.fl < TWO32 - 1) this.fl++;
    else if (this.fh < TWO32 - 1) {
      this.fl = 0;
      this.fh++;
    } else if (this.type < 255) {
      this.fl = 0;
      this.fh = 0;
      this.type++;
    } else if (this.ol < TWO32 - 1 || this.oh < TWO32 - 1) {
      this.fl = 0;
      this.fh = 0;
      this.type = 0;
      if (this.ol < TWO32 - 1) this.ol++;
      else {
        this.ol = 0;
        this.oh++;
      }
    } else return false;
    return true;
  }

  /** As dump-tree prints keys: `(256 INODE_ITEM 0)`. */
  toString(): string {
    const objectid = objectidText(this.oh, this.ol);
    return `(${objectid} ${itemTypeName(this.type)} ${unsignedText(this.fh, this.fl)})`;
  }
}

function objectidText(high: number, low: number): string {
  return (representable(high) ? objectidName(joinHalves(high, low)) : null) ?? unsignedText(high, low);
}

/** Two u32 halves as an unsigned decimal. */
export function unsignedText(high: number, low: number): string {
  return high <= POSITIVE_TOP ? String(high * TWO32 + low) : String((BigInt(high) << 32n) | BigInt(low));
}

function unrepresentable(high: number, low: number): Error {
  return corrupt({ structure: 'btrfs tree', value: unsignedText(high, low), rule: '64-bit number beyond 2^53 - 1' });
}
