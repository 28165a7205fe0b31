/** The inode btrees of an AG: inobt with every chunk of 64 inodes, finobt with those that have a free one. */
import type { Buf } from '../../../core/buffer-cache.ts';
import { allocInodeBtreeBlock, freeInodeBtreeBlock } from '../alloc/btree-blocks.ts';
import type { XfsMount } from '../mount.ts';
import { Agi } from '../structure/ag.ts';
import { BtreeMagic, INODES_PER_CHUNK, InobtKey, InobtRecord, InobtSparseRecord } from '../structure/btree-format.ts';
import type { Trans } from '../trans.ts';
import { agCursor } from './ag-cursor.ts';
import type { BtreeKind } from './kind.ts';

/**
 * A chunk of inodes. `freeLow` and `freeHigh` are the mask of free inodes 0-31 and 32-63; a set bit of `holemask`
 * says that four inodes do not exist (their free bits are set as well).
 */
export interface InodeChunk {
  startino: number;
  holemask: number;
  count: number;
  freecount: number;
  freeLow: number;
  freeHigh: number;
}

const AT = InobtSparseRecord.at;

function kind(
  name: 'inobt' | 'finobt',
  rootAt: number,
  levelAt: number,
  sparse: boolean,
): BtreeKind<InodeChunk, number> {
  return {
    name,
    magicV4: BtreeMagic[name][0],
    magicV5: BtreeMagic[name][1],
    recordSize: InobtSparseRecord.size,
    lowKeySize: InobtKey.size,
    overlapping: false,
    inodeRooted: false,
    rootAt,
    levelAt,
    createRecord: () => ({ startino: 0, holemask: 0, count: 0, freecount: 0, freeLow: 0, freeHigh: 0 }),
    setKey(search, key) {
      search.k0 = key;
    },
    setKeyOfRecord(search, record) {
      search.k0 = record.startino;
    },
    compareRecord: (view, at, search) => view.getUint32(at) - search.k0,
    compareKey: (view, at, search) => view.getUint32(at) - search.k0,
    compareKeys: (a, aAt, b, bAt) => a.getUint32(aAt) - b.getUint32(bAt),
    decode: sparse ? decodeSparse : decodeFull,
    encode: sparse ? encodeSparse : encodeFull,
    check: checkChunk,
    keyOfRecord(view, at, into, keyAt) {
      into.setUint32(keyAt, view.getUint32(at));
    },
    compareEnds: () => 0,
    highKeyOfRecord() {},
    allocBlock: (cursor, near) => allocInodeBtreeBlock(cursor.trans(), cursor.agno, near, name),
    freeBlock: (cursor, pointer) => freeInodeBtreeBlock(cursor.trans(), cursor.agno, pointer, name),
  };
}

function decodeFull(view: DataView, at: number, record: InodeChunk): void {
  record.startino = view.getUint32(at);
  record.holemask = 0;
  record.count = INODES_PER_CHUNK;
  record.freecount = view.getUint32(at + InobtRecord.at.freecount);
  record.freeHigh = view.getUint32(at + AT.free);
  record.freeLow = view.getUint32(at + AT.free + 4);
}

function encodeFull(view: DataView, at: number, record: InodeChunk): void {
  view.setUint32(at, record.startino);
  view.setUint32(at + InobtRecord.at.freecount, record.freecount);
  view.setUint32(at + AT.free, record.freeHigh);
  view.setUint32(at + AT.free + 4, record.freeLow);
}

function decodeSparse(view: DataView, at: number, record: InodeChunk): void {
  record.startino = view.getUint32(at);
  record.holemask = view.getUint16(at + AT.holemask);
  record.count = view.getUint8(at + AT.count);
  record.freecount = view.getUint8(at + AT.freecount);
  record.freeHigh = view.getUint32(at + AT.free);
  record.freeLow = view.getUint32(at + AT.free + 4);
}

function encodeSparse(view: DataView, at: number, record: InodeChunk): void {
  view.setUint32(at, record.startino);
  view.setUint16(at + AT.holemask, record.holemask);
  view.setUint8(at + AT.count, record.count);
  view.setUint8(at + AT.freecount, record.freecount);
  view.setUint32(at + AT.free, record.freeHigh);
  view.setUint32(at + AT.free + 4, record.freeLow);
}

/** Number of set bits of a 32-bit value. */
export function popcount(value: number): number {
  let bits = value - ((value >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

/** Mask of absent inodes 0-31 (half 0) or 32-63 (half 1), four for each bit of the holemask. */
export function holeBits(holemask: number, half: 0 | 1): number {
  let mask = 0;
  for (let bit = 0; bit < 8; bit++) if ((holemask >>> (half * 8 + bit)) & 1) mask |= 0xf << (bit * 4);
  return mask >>> 0;
}

function checkChunk(record: InodeChunk, mp: XfsMount, agno: number): string | null {
  const { startino, holemask, count, freecount } = record;
  const first = Math.floor(startino / mp.inodesPerBlock);
  if (first < 1 || first >= mp.agSize(agno)) return `chunk of inode ${startino} is outside the AG`;
  if (count < 1 || count > INODES_PER_CHUNK) return `chunk of ${count} inodes`;
  const holesLow = holeBits(holemask, 0);
  const holesHigh = holeBits(holemask, 1);
  if (INODES_PER_CHUNK - popcount(holesLow) - popcount(holesHigh) !== count)
    return `count ${count} does not agree with holemask 0x${holemask.toString(16)}`;
  const free = popcount(record.freeLow & ~holesLow) + popcount(record.freeHigh & ~holesHigh);
  if (free !== freecount) return `freecount ${freecount}, but ${free} inodes are free`;
  return null;
}

const inobtFull = kind('inobt', Agi.at.root, Agi.at.level, false);
const inobtSparse = kind('inobt', Agi.at.root, Agi.at.level, true);
const finobtFull = kind('finobt', Agi.at.free_root, Agi.at.free_level, false);
const finobtSparse = kind('finobt', Agi.at.free_root, Agi.at.free_level, true);

/** All inode chunks of an AG. The key is the first inode of a chunk, relative to the AG. */
export function inobtCursor(mp: XfsMount, agno: number, tp: Trans | null = null, agi: Buf = mp.agi(agno)) {
  return agCursor(mp.features.sparseInodes ? inobtSparse : inobtFull, mp, tp, agno, agi);
}

/** Inode chunks of an AG with free inodes; only where the feature `finobt` is. */
export function finobtCursor(mp: XfsMount, agno: number, tp: Trans | null = null, agi: Buf = mp.agi(agno)) {
  return agCursor(mp.features.sparseInodes ? finobtSparse : finobtFull, mp, tp, agno, agi);
}
