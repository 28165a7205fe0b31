/** Btree blocks and the btree root in an inode, as xfs_db shows them. Records, keys and pointers count from 1. */
import type { XfsMount } from '../mount.ts';
import { bmbtBlockcount, bmbtRealStartoff, bmbtStartblock } from '../structure/bmbt-record.ts';
import {
  BMBT_RECORD_SIZE,
  BtreeLongHeader,
  BtreeShortHeader,
  LONG_V4_SIZE,
  LONG_V5_SIZE,
  SHORT_V4_SIZE,
  SHORT_V5_SIZE,
} from '../structure/btree-format.ts';
import { type BtreeName, btreeMaxRecords } from '../verify/btree.ts';
import type { Block, Field, Leaf, Table } from './field.ts';
import { bit, crc, i64, null32, null64, type Row, rows, u8, u16, u16x, u32, u32x, u64, u64x, uuid } from './leaves.ts';

const NUMBER_54 = 0x3f_ffff_ffff_ffffn;

/** The low 54 bits: the file offset in a rmap record, without its flags. */
const offset54: Leaf = { kind: 'leaf', size: 8, show: ({ view }, at) => String(view.getBigUint64(at) & NUMBER_54) };
/** The block of a refcount record, without the CoW flag. */
const block31: Leaf = {
  kind: 'leaf',
  size: 4,
  show: ({ view }, at) =>
    (view.getUint32(at) & 0x7fffffff) === 0x7fffffff ? 'null' : String(view.getUint32(at) & 0x7fffffff),
};

function table(size: number, ...columns: readonly Row[]): Table {
  return { kind: 'table', size, columns: rows(...columns) };
}

const packed = (show: (view: DataView, at: number) => string): Leaf => ({
  kind: 'leaf',
  size: 16,
  show: ({ view }, at) => show(view, at),
});

/** Extent records of forks and bmbt leaves. */
export const extentRecord: Table = table(
  BMBT_RECORD_SIZE,
  ['startoff', 0, packed((v, a) => String(bmbtRealStartoff(v, a)))],
  ['startblock', 0, packed((v, a) => String(bmbtStartblock(v, a)))],
  ['blockcount', 0, packed((v, a) => String(bmbtBlockcount(v, a)))],
  ['extentflag', 0, packed((v, a) => String(v.getUint8(a) >> 7))],
);
const extentKey: Table = table(8, ['startoff', 0, u64]);

interface TreeLook {
  readonly record: Table;
  readonly key: Table;
}

const free = ['startblock', 0, null32] as const;
const length = ['blockcount', 4, u32] as const;

function looks(mp: XfsMount): Record<BtreeName, TreeLook> {
  const inode = mp.features.sparseInodes
    ? table(
        16,
        ['startino', 0, null32],
        ['holemask', 4, u16x],
        ['count', 6, u8],
        ['freecount', 7, u8],
        ['free', 8, u64x],
      )
    : table(16, ['startino', 0, null32], ['freecount', 4, u32], ['free', 8, u64x]);
  const inodeKey = table(4, ['startino', 0, null32]);
  return {
    bnobt: { record: table(8, free, length), key: table(8, free, length) },
    cntbt: { record: table(8, free, length), key: table(8, length, free) },
    inobt: { record: inode, key: inodeKey },
    finobt: { record: inode, key: inodeKey },
    rmapbt: {
      record: table(
        24,
        free,
        length,
        ['owner', 8, i64],
        ['offset', 16, offset54],
        ['extentflag', 16, bit(8, 61)],
        ['attrfork', 16, bit(8, 63)],
        ['bmbtblock', 16, bit(8, 62)],
      ),
      key: table(
        40,
        free,
        ['owner', 4, i64],
        ['offset', 12, offset54],
        ['attrfork', 12, bit(8, 63)],
        ['bmbtblock', 12, bit(8, 62)],
        ['startblock_hi', 20, null32],
        ['owner_hi', 24, i64],
        ['offset_hi', 32, offset54],
        ['attrfork_hi', 32, bit(8, 63)],
        ['bmbtblock_hi', 32, bit(8, 62)],
      ),
    },
    refcountbt: {
      record: table(12, ['startblock', 0, block31], length, ['refcount', 8, u32], ['cowflag', 0, bit(4, 31)]),
      key: table(4, ['startblock', 0, block31], ['cowflag', 0, bit(4, 31)]),
    },
    bmbt: { record: extentRecord, key: extentKey },
  };
}

const levelOf = ({ view }: Block): number => view.getUint16(4);
const recordsOf = ({ view }: Block): number => view.getUint16(6);

/** The fields of a block of this tree. */
export function btreeFields(mp: XfsMount, name: BtreeName): Field[] {
  const long = name === 'bmbt';
  const { v5 } = mp.features;
  const header = long ? (v5 ? LONG_V5_SIZE : LONG_V4_SIZE) : v5 ? SHORT_V5_SIZE : SHORT_V4_SIZE;
  const look = looks(mp)[name];
  const first = { array: true, first: 1 } as const;
  const nodeCount = (block: Block): number => (levelOf(block) > 0 ? recordsOf(block) : 0);
  const pointersAt = header + btreeMaxRecords(mp, name, false) * look.key.size;
  return [
    ...headerFields(long, v5),
    {
      name: 'recs',
      at: header,
      type: look.record,
      ...first,
      count: (block) => (levelOf(block) > 0 ? 0 : recordsOf(block)),
    },
    { name: 'keys', at: header, type: look.key, ...first, count: nodeCount },
    { name: 'ptrs', at: pointersAt, type: long ? u64 : u32, ...first, count: nodeCount },
  ];
}

function headerFields(long: boolean, v5: boolean): Field[] {
  const S = BtreeShortHeader.at;
  const L = BtreeLongHeader.at;
  const sibling = long ? null64 : null32;
  const at = long ? L : S;
  const common = rows(
    ['magic', at.magic, u32x],
    ['level', at.level, u16],
    ['numrecs', at.numrecs, u16],
    ['leftsib', at.leftsib, sibling],
    ['rightsib', at.rightsib, sibling],
  );
  if (!v5) return common;
  return [
    ...common,
    ...rows(
      ['bno', at.blkno, null64],
      ['lsn', at.lsn, u64x],
      ['uuid', at.uuid, uuid],
      ['owner', at.owner, long ? null64 : null32],
      ['crc', at.crc, crc],
    ),
  ];
}

/** The root of a bmbt in a fork of `size(block)` bytes that starts at the field's place. */
export function rootFields(size: (block: Block) => number): Field[] {
  const first = { array: true, first: 1 } as const;
  const records = ({ view }: Block, base: number): number => view.getUint16(base + 2);
  const room = (block: Block): number => Math.floor((size(block) - 4) / 16);
  return [
    ...rows(['level', 0, u16], ['numrecs', 2, u16]),
    { name: 'keys', at: 4, type: extentKey, ...first, count: records },
    {
      name: 'ptrs',
      at: (block, _base, index) => 4 + room(block) * 8 + (index - 1) * 8,
      type: u64,
      ...first,
      count: records,
    },
  ];
}
