/**
 * Which EXTENT_DATA item holds a position of a file, and what a compressed one holds. Files are mostly read from front
 * to back, and extents in order: the place where the last search ended is kept, and tried first.
 */
import { corrupt, FsError } from '../../core/errors.ts';
import { roundUp } from '../../core/units.ts';
import { Compression, decompress } from './compress/decompress.ts';
import { bytesAt } from './dir-items.ts';
import { FILE_EXTENT_INLINE_START, FileExtent } from './file-extent.ts';
import type { BtrfsInode } from './inode.ts';
import { ItemType, Key } from './structure/key.ts';
import { TreeCursor } from './tree/cursor.ts';

/** No extent on disk holds more when compressed, none of those more when unpacked (kernel: BTRFS_MAX_COMPRESSED). */
const MAX_COMPRESSED = 128 * 1024;
/** Unpacked extents that are kept, for reads in small pieces. */
const KEPT = 16;

interface Unpacked {
  readonly generation: number;
  readonly bytes: Uint8Array;
}

const key = new Key();

/** Reads extents of one inode at a time. There is one reader for a mount. */
export class ExtentReader {
  /** The item that the last call found. Overwritten by the next. */
  readonly found = new FileExtent();
  private readonly unpacked = new Map<number, Unpacked>();
  /** Where the last find() ended, for which inode, in which state of the trees; `hit`: on the item in `found`. */
  private cursor: TreeCursor | null = null;
  private ino = 0;
  private version = -1;
  private hit = false;
  /** From here to the item in `found` there is no other. */
  private from = 0;

  /**
   * Finds the item that holds `pos`, or else the first behind it; false if there is none. For an inline one that is to
   * be read, `inlineInto` receives its bytes as they are in the leaf. @throws FsError EUCLEAN
   */
  find(ip: BtrfsInode, pos: number, inlineInto?: (bytes: Uint8Array) => void): boolean {
    if (!this.knows(ip, pos)) this.hit = this.search(ip, pos);
    if (this.hit && inlineInto !== undefined && this.found.inline) inlineInto(inlineBytes(this.at(ip)));
    return this.hit;
  }

  /**
   * True if the last answer holds for `pos`, or the item behind it does: files are read, and extents told, in order.
   * Nothing may have changed since.
   */
  private knows(ip: BtrfsInode, pos: number): boolean {
    const { trans, sectorSize } = ip.mp;
    const same = this.hit && this.ino === ip.ino && this.cursor?.root === ip.root;
    const still = this.version === trans.version && !trans.busy;
    this.ino = ip.ino;
    this.version = trans.version;
    if (!same || !still || pos < this.from) return false;
    const end = endOf(this.found, sectorSize);
    if (pos < end) return true;
    if (pos !== end) return false;
    this.from = end;
    this.cursor?.next();
    this.hit = this.readAt(ip, this.at(ip));
    return true;
  }

  private search(ip: BtrfsInode, pos: number): boolean {
    const { found } = this;
    const cursor = this.at(ip);
    key.setPos(ip.ino, ItemType.EXTENT_DATA, pos);
    cursor.searchBack(key);
    this.from = pos;
    if (this.readAt(ip, cursor) && endOf(found, ip.mp.sectorSize) > pos) {
      this.from = found.pos;
      return true;
    }
    if (cursor.valid) cursor.next();
    else cursor.search(key);
    return this.readAt(ip, cursor);
  }

  private at(ip: BtrfsInode): TreeCursor {
    if (this.cursor?.root !== ip.root) this.cursor = new TreeCursor(ip.root);
    return this.cursor;
  }

  /** Where the last item that is no hole ends; 0 if there is none. @throws FsError EUCLEAN */
  lastEnd(ip: BtrfsInode): number {
    this.hit = false;
    const cursor = new TreeCursor(ip.root);
    try {
      key.set(ip.ino, ItemType.EXTENT_DATA, -1);
      for (cursor.searchBack(key); this.readAt(ip, cursor); cursor.prev()) {
        if (!this.found.hole) return endOf(this.found, ip.mp.sectorSize);
        if (this.found.pos === 0) break;
      }
      return 0;
    } finally {
      cursor.close();
    }
  }

  /** Reads the item under the cursor; false if it is no extent of this file. */
  private readAt(ip: BtrfsInode, cursor: TreeCursor): boolean {
    if (!cursor.valid || cursor.key.type !== ItemType.EXTENT_DATA || cursor.key.objectid !== ip.ino) return false;
    const { found } = this;
    found.read(cursor.key.pos, cursor.view, cursor.at);
    if (found.encoded) throw new FsError('EOPNOTSUPP', { detail: `${describe(ip, found)} is encrypted` });
    return true;
  }

  /** What a compressed extent holds, whole. @throws FsError EIO, EUCLEAN */
  unpack(ip: BtrfsInode, extent: FileExtent): Uint8Array {
    const { bytenr, diskLength, ramBytes, generation, compression } = extent;
    const known = this.unpacked.get(bytenr);
    if (known !== undefined && known.generation === generation && known.bytes.length === ramBytes) return known.bytes;
    if (diskLength > MAX_COMPRESSED || ramBytes > MAX_COMPRESSED) throw tooLarge(ip, extent);
    const packed = new Uint8Array(diskLength);
    ip.data.read(bytenr, packed);
    const bytes = decompress(compression, packed, ramBytes, ip.mp.sectorSize, () => describe(ip, extent));
    this.unpacked.delete(bytenr);
    if (this.unpacked.size >= KEPT) for (const oldest of this.unpacked.keys()) if (this.unpacked.delete(oldest)) break;
    this.unpacked.set(bytenr, { generation, bytes });
    return bytes;
  }

  /** What an inline extent holds, given its bytes in the leaf. @throws FsError EIO, EUCLEAN */
  unpackInline(ip: BtrfsInode, extent: FileExtent, bytes: Uint8Array): Uint8Array {
    const { compression, ramBytes } = extent;
    if (compression === Compression.NONE) return bytes.subarray(0, ramBytes);
    if (ramBytes > MAX_COMPRESSED) throw tooLarge(ip, extent);
    return decompress(compression, bytes, ramBytes, ip.mp.sectorSize, () => describe(ip, extent));
  }

  /** Forgets what was unpacked: addresses may hold something else now. */
  forget(): void {
    this.unpacked.clear();
  }
}

/** Where the range of an item ends in the file: an inline one takes its whole sector. */
export function endOf(extent: FileExtent, sectorSize: number): number {
  return extent.inline ? roundUp(extent.end, sectorSize) : extent.end;
}

/** The bytes of the inline item under the cursor, in the leaf. */
function inlineBytes(cursor: TreeCursor): Uint8Array {
  return bytesAt(
    cursor.view,
    cursor.at + FILE_EXTENT_INLINE_START,
    Math.max(0, cursor.size - FILE_EXTENT_INLINE_START),
  );
}

function describe(ip: BtrfsInode, extent: FileExtent): string {
  const where = extent.inline ? 'inline' : `at logical ${extent.bytenr}`;
  return `extent of inode ${ip.ino} of tree ${ip.root.id}, file offset ${extent.pos}, ${where}`;
}

function tooLarge(ip: BtrfsInode, extent: FileExtent): FsError {
  const value = `${extent.diskLength} bytes for ${extent.ramBytes}`;
  return corrupt({
    structure: describe(ip, extent),
    field: 'ram_bytes',
    value,
    rule: `compressed, > ${MAX_COMPRESSED}`,
  });
}
