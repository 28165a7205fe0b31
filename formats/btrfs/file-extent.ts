/**
 * One EXTENT_DATA item as numbers, decoded in place again and again: what a range of a file is made of.
 *
 *     disk extent   bytenr |.......offset.......|=====length=====|.....|   diskLength, ramBytes when unpacked
 *     file                                pos   |=====length=====|
 */
import { coarseLabel, coarseReal, FAR } from '../../core/positions.ts';
import { readCoarse, readLength } from './structure/fields.ts';
import { FILE_EXTENT_INLINE_START, FileExtentItem, FileExtentType } from './structure/file-extent.ts';

const { get, set } = FileExtentItem;

export class FileExtent {
  /** File position of the first byte. */
  pos = 0;
  type: number = FileExtentType.REG;
  compression = 0;
  /** Encryption or another encoding that nobody writes. */
  encoded = false;
  generation = 0;
  /** Logical address of the whole extent on disk; 0 is a hole. */
  bytenr = 0;
  diskLength = 0;
  /** Where the file's bytes begin in the (unpacked) extent. */
  offset = 0;
  /** Bytes of the file: whole sectors, except inline. */
  length = 0;
  /** As the item says it, of a hole too: there it is no difference of labels. */
  ramBytes = 0;

  /** Takes the item of `size` bytes at `at`, whose key has the offset `pos`. */
  read(pos: number, view: DataView, at: number): this {
    this.pos = pos;
    this.type = get.type(view, at);
    this.compression = get.compression(view, at);
    this.encoded = get.encryption(view, at) !== 0 || get.other_encoding(view, at) !== 0;
    this.generation = get.generation(view, at);
    if (this.type === FileExtentType.INLINE) {
      this.bytenr = 0;
      this.diskLength = 0;
      this.offset = 0;
      this.ramBytes = get.ram_bytes(view, at);
      this.length = this.ramBytes;
      return this;
    }
    this.bytenr = get.disk_bytenr(view, at);
    this.diskLength = get.disk_num_bytes(view, at);
    this.offset = readCoarse(view, at + FileExtentItem.at.offset);
    this.length = readLength(view, at + FileExtentItem.at.num_bytes);
    this.ramBytes = readLength(view, at + FileExtentItem.at.ram_bytes);
    if (pos + this.length > FAR) this.length = farLength(pos, this.length);
    return this;
  }

  /** Writes all fields of an item that is not inline. */
  write(view: DataView, at: number): void {
    set.generation(view, at, this.generation);
    set.ram_bytes(view, at, this.ramBytes);
    set.compression(view, at, this.compression);
    set.encryption(view, at, 0);
    set.other_encoding(view, at, 0);
    set.type(view, at, this.type);
    set.disk_bytenr(view, at, this.bytenr);
    set.disk_num_bytes(view, at, this.diskLength);
    set.offset(view, at, this.offset);
    set.num_bytes(view, at, realLength(this.pos, this.length));
  }

  copyFrom(other: FileExtent): this {
    this.pos = other.pos;
    this.type = other.type;
    this.compression = other.compression;
    this.encoded = other.encoded;
    this.generation = other.generation;
    this.bytenr = other.bytenr;
    this.diskLength = other.diskLength;
    this.offset = other.offset;
    this.length = other.length;
    this.ramBytes = other.ramBytes;
    return this;
  }

  get end(): number {
    return this.pos + this.length;
  }

  get inline(): boolean {
    return this.type === FileExtentType.INLINE;
  }

  get prealloc(): boolean {
    return this.type === FileExtentType.PREALLOC;
  }

  /** An explicit hole. */
  get hole(): boolean {
    return this.type === FileExtentType.REG && this.bytenr === 0;
  }

  /**
   * Whose reference to the disk extent this is, beside tree and inode: the file offset of the extent's start, not as a
   * label but as it is.
   */
  get refOffset(): number {
    return coarseReal(this.pos) - this.offset;
  }
}

/** A length from `pos` on in labels: a hole may reach across what has no label. @throws FsError EFBIG */
function farLength(pos: number, length: number): number {
  return coarseLabel(coarseReal(pos) + length) - pos;
}

/** The inverse of farLength(): the bytes that an item says. */
export function realLength(pos: number, length: number): number {
  return pos + length <= FAR ? length : coarseReal(pos + length) - coarseReal(pos);
}

/** Bytes of an item with `length` inline bytes. */
export function inlineItemSize(length: number): number {
  return FILE_EXTENT_INLINE_START + length;
}

export { FILE_EXTENT_INLINE_START, FileExtentItem, FileExtentType };
