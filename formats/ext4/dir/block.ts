/**
 * The blocks of a directory, verified when they are read: every entry of a leaf, every number of an index, and with
 * metadata_csum their checksums, which go on from the directory's own seed. Whether a block is a leaf or part of the
 * index only its place says.
 *
 * Mirrors: fs/ext4/dir.c (__ext4_check_dir_entry), namei.c (__ext4_read_dirblock, ext4_dx_csum_verify, dx_probe).
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import type { Damage } from '../../../core/errors.ts';
import { crc32cNumber, crc32cRaw } from '../checksum.ts';
import type { Ext4Inode } from '../inode.ts';
import { BlockRun } from '../map/run.ts';
import {
  DIR_TAIL_FILE_TYPE,
  DirEntryHeader,
  DirTail,
  DOT_LENGTH,
  DX_INFO_AT,
  DxCountLimit,
  DxEntry,
  DxRootInfo,
  DxTail,
} from '../structure/dir.ts';
import { badDir, blockCount, hasHashInEntries, isIndexed } from './form.ts';

const run = new BlockRun();
/** From this block size on, lengths of 16 bits do not reach to the end of a block. */
const LARGE_BLOCK = 65536;

/** The length that an entry's `rec_len` stands for. */
export function recLength(raw: number, blockSize: number): number {
  if (blockSize < LARGE_BLOCK) return raw;
  return raw === 0xffff || raw === 0 ? blockSize : (raw & 0xfffc) | ((raw & 3) << 16);
}

/** The `rec_len` that stands for a length. */
export function rawLength(length: number, blockSize: number): number {
  if (blockSize < LARGE_BLOCK || length < LARGE_BLOCK) return length;
  return length === blockSize ? (blockSize === LARGE_BLOCK ? 0xffff : 0) : (length & 0xfffc) | ((length >> 16) & 3);
}

/** Bytes that an entry with a name of this length needs. */
export function entrySize(nameLength: number, hashed: boolean): number {
  return ((DirEntryHeader.size + nameLength + 3) & ~3) + (hashed ? 8 : 0);
}

/** A leaf of a directory. @throws FsError EUCLEAN damaged or a hole, EIO */
export function readLeaf(dir: Ext4Inode, block: number): Buf {
  return dir.mp.block(place(dir, block), dirOps(dir).leaf);
}

/**
 * A leaf, or null for a block of the index: for who looks at all blocks of a directory, whatever its index says.
 * @throws FsError as readLeaf()
 */
export function leafOrNull(dir: Ext4Inode, block: number): Buf | null {
  if (!isIndexed(dir)) return readLeaf(dir, block);
  const { blockSize, device } = dir.mp;
  const start = new Uint8Array(DirEntryHeader.size);
  device.read(place(dir, block) * blockSize, start);
  const view = new DataView(start.buffer);
  const whole = recLength(DirEntryHeader.get.rec_len(view, 0), blockSize) === blockSize;
  return block === 0 || (whole && DirEntryHeader.get.inode(view, 0) === 0) ? null : readLeaf(dir, block);
}

/** A block of the index. @throws FsError EUCLEAN damaged or a hole, EIO */
export function readIndex(dir: Ext4Inode, block: number): Buf {
  return dir.mp.block(place(dir, block), dirOps(dir)[block === 0 ? 'root' : 'node']);
}

function place(dir: Ext4Inode, block: number): number {
  if (block >= blockCount(dir))
    throw badDir(dir, `it has ${blockCount(dir)} blocks`, { field: 'block', value: String(block) });
  dir.map(block, run);
  if (run.physical === 0) throw badDir(dir, 'a hole', { field: 'block', value: String(block) });
  return run.physical;
}

/** How the blocks of a directory are judged, by what they are. */
interface DirOps {
  readonly leaf: BufOps;
  readonly root: BufOps;
  readonly node: BufOps;
}
const known = new WeakMap<Ext4Inode, DirOps>();

/** How a directory's blocks are judged. */
export function dirOps(dir: Ext4Inode): DirOps {
  let ops = known.get(dir);
  if (ops === undefined) {
    const make = (name: string, verify: (buf: Buf) => Damage | null, sum: (buf: Buf) => void): BufOps => {
      const seal = (buf: Buf): void => {
        if (dir.mp.hasCsum) sum(buf);
      };
      return { name, logType: 0, verify, seal };
    };
    const root = DX_INFO_AT + DxRootInfo.size;
    const node = DirEntryHeader.size;
    ops = {
      leaf: make(
        `block of directory ${dir.ino}`,
        (buf) => leafDamage(dir, buf),
        (buf) => sumLeaf(dir, buf),
      ),
      root: make(
        `index root of directory ${dir.ino}`,
        (buf) => rootDamage(dir, buf),
        (buf) => sumIndex(dir, buf, root),
      ),
      node: make(
        `index block of directory ${dir.ino}`,
        (buf) => indexDamage(dir, buf, node),
        (buf) => sumIndex(dir, buf, node),
      ),
    };
    known.set(dir, ops);
  }
  return ops;
}

type Bad = (offset: number, field: string, value: number | string, rule: string) => Damage;

function complain(dir: Ext4Inode, addr: number): Bad {
  return (offset, field, value, rule) => {
    return { structure: `block of directory ${dir.ino}`, addr, offset, field, value: String(value), rule };
  };
}

function leafDamage(dir: Ext4Inode, buf: Buf): Damage | null {
  const bad = complain(dir, buf.addr);
  if (dir.mp.hasCsum) {
    const at = buf.length - DirTail.size;
    const { get } = DirTail;
    const tail =
      get.reserved_zero1(buf.view, at) === 0 &&
      get.rec_len(buf.view, at) === DirTail.size &&
      get.reserved_zero2(buf.view, at) === 0 &&
      get.reserved_ft(buf.view, at) === DIR_TAIL_FILE_TYPE;
    if (!tail) return bad(at, 'tail', 'none', 'no place for the checksum');
    const computed = leafChecksum(dir, buf);
    if (get.checksum(buf.view, at) !== computed) return wrongChecksum(bad, at, get.checksum(buf.view, at), computed);
  }
  return entriesDamage(dir, buf.view, 0, buf.length, bad);
}

/** The checksum that a leaf should have at its end. */
function leafChecksum(dir: Ext4Inode, buf: Buf): number {
  return crc32cRaw(dir.csumSeed, buf.bytes.subarray(0, buf.length - DirTail.size));
}

/** The first fault of a row of entries that must fill [from, end), or null. */
export function entriesDamage(dir: Ext4Inode, view: DataView, from: number, end: number, bad: Bad): Damage | null {
  const { blockSize, hasCsum, sb } = dir.mp;
  const hashed = hasHashInEntries(dir);
  const { get, at: fields } = DirEntryHeader;
  for (let at = from; at < end; ) {
    if (at + DirEntryHeader.size > end) return bad(at, 'rec_len', end - at, 'no room for an entry');
    const length = recLength(get.rec_len(view, at), blockSize);
    const nameLength = get.name_len(view, at);
    // `.`, `..` and the checksum have no hash behind them.
    const plain = !hashed || isDots(view, at, nameLength) || get.file_type(view, at) === DIR_TAIL_FILE_TYPE;
    const next = at + length;
    const least = entrySize(Math.max(nameLength, 1), !plain);
    if (length < least || length % 4 !== 0) return bad(at + fields.rec_len, 'rec_len', length, `not ${least} or more`);
    if (next > end) return bad(at + fields.rec_len, 'rec_len', length, 'leaves the block');
    if (next !== end && next > end - entrySize(1, hashed && !hasCsum))
      return bad(at + fields.rec_len, 'rec_len', length, 'leaves too little for another entry');
    const ino = get.inode(view, at);
    if (ino > sb.inodes_count) return bad(at, 'inode', ino, `> ${sb.inodes_count}`);
    // An encrypted name may have any byte.
    const fault = ino === 0 || dir.has('ENCRYPT') ? -1 : badByte(view, at + DirEntryHeader.size, nameLength);
    if (fault >= 0) return bad(fault, 'name', view.getUint8(fault), 'no character of a name');
    at = next;
  }
  return null;
}

function isDots(view: DataView, at: number, nameLength: number): boolean {
  if (nameLength === 0 || nameLength > 2 || view.getUint8(at + 8) !== 0x2e) return false;
  return nameLength === 1 || view.getUint8(at + 9) === 0x2e;
}

function badByte(view: DataView, from: number, length: number): number {
  for (let at = from; at < from + length; at++) {
    const byte = view.getUint8(at);
    if (byte === 0 || byte === 0x2f) return at;
  }
  return -1;
}

function rootDamage(dir: Ext4Inode, buf: Buf): Damage | null {
  const bad = complain(dir, buf.addr);
  const { view } = buf;
  const dotdot = DOT_LENGTH;
  const length = recLength(DirEntryHeader.get.rec_len(view, 0), dir.mp.blockSize);
  if (length !== DOT_LENGTH) return bad(DirEntryHeader.at.rec_len, 'dot.rec_len', length, `not ${DOT_LENGTH}`);
  const rest = recLength(DirEntryHeader.get.rec_len(view, dotdot), dir.mp.blockSize);
  if (rest !== buf.length - DOT_LENGTH)
    return bad(dotdot + DirEntryHeader.at.rec_len, 'dotdot.rec_len', rest, `not ${buf.length - DOT_LENGTH}`);
  const info = DxRootInfo.get.info_length(view, DX_INFO_AT);
  const at = DX_INFO_AT + DxRootInfo.at.info_length;
  if (info !== DxRootInfo.size) return bad(at, 'info_length', info, `not ${DxRootInfo.size}`);
  return indexDamage(dir, buf, DX_INFO_AT + DxRootInfo.size);
}

/** Judges the entries of the index from byte `at` of its block on. */
function indexDamage(dir: Ext4Inode, buf: Buf, at: number): Damage | null {
  const bad = complain(dir, buf.addr);
  const { view, length } = buf;
  if (at === DirEntryHeader.size) {
    const whole = recLength(DirEntryHeader.get.rec_len(view, 0), dir.mp.blockSize);
    if (whole !== length)
      return bad(DirEntryHeader.at.rec_len, 'rec_len', whole, 'a leaf where the index should go on');
  }
  const limit = DxCountLimit.get.limit(view, at);
  const count = DxCountLimit.get.count(view, at);
  const wanted = indexLimit(dir, at);
  if (limit !== wanted) return bad(at, 'limit', limit, `not ${wanted}`);
  if (count === 0 || count > limit) return bad(at + DxCountLimit.at.count, 'count', count, `not 1 to ${limit}`);
  if (!dir.mp.hasCsum) return null;
  const tail = at + limit * DxEntry.size;
  const computed = indexChecksum(dir, buf, at);
  const found = DxTail.get.checksum(view, tail);
  return found === computed ? null : wrongChecksum(bad, tail + DxTail.at.checksum, found, computed);
}

/** How many entries a block of the index has room for when they begin at byte `at`. */
export function indexLimit(dir: Ext4Inode, at: number): number {
  return Math.floor((dir.mp.blockSize - at - (dir.mp.hasCsum ? DxTail.size : 0)) / DxEntry.size);
}

/** The checksum that a block of the index should have. */
function indexChecksum(dir: Ext4Inode, buf: Buf, at: number): number {
  const count = DxCountLimit.get.count(buf.view, at);
  const tail = at + DxCountLimit.get.limit(buf.view, at) * DxEntry.size;
  const entries = crc32cRaw(dir.csumSeed, buf.bytes.subarray(0, at + count * DxEntry.size));
  return crc32cNumber(crc32cNumber(entries, DxTail.get.reserved(buf.view, tail)), 0);
}

function sumLeaf(dir: Ext4Inode, buf: Buf): void {
  DirTail.set.checksum(buf.view, buf.length - DirTail.size, leafChecksum(dir, buf));
}

function sumIndex(dir: Ext4Inode, buf: Buf, at: number): void {
  const tail = at + DxCountLimit.get.limit(buf.view, at) * DxEntry.size;
  DxTail.set.checksum(buf.view, tail, indexChecksum(dir, buf, at));
}

function wrongChecksum(bad: Bad, offset: number, found: number, computed: number): Damage {
  return bad(offset, 'checksum', `0x${found.toString(16)}`, `crc, computed 0x${computed.toString(16)}`);
}
