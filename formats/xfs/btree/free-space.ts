/** The two free-space btrees of an AG: bnobt by block, cntbt by length and block. Blocks come from the AGFL. */
import type { Buf } from '../../../core/buffer-cache.ts';
import { allocFreeTreeBlock, freeFreeTreeBlock } from '../alloc/agfl.ts';
import type { XfsMount } from '../mount.ts';
import { Agf } from '../structure/ag.ts';
import { AllocRecord, BtreeMagic } from '../structure/btree-format.ts';
import type { Trans } from '../trans.ts';
import { agCursor } from './ag-cursor.ts';
import type { BtreeCursor } from './cursor.ts';
import type { BtreeKind } from './kind.ts';

/** A free extent of an AG, in AG blocks. */
export interface FreeExtent {
  startblock: number;
  blockcount: number;
}

/** cntbt orders by length, then block. */
export type CntKey = Readonly<FreeExtent>;

const START = AllocRecord.at.startblock;
const COUNT = AllocRecord.at.blockcount;

const common = {
  recordSize: AllocRecord.size,
  lowKeySize: AllocRecord.size,
  overlapping: false,
  inodeRooted: false,
  createRecord: (): FreeExtent => ({ startblock: 0, blockcount: 0 }),
  decode(view: DataView, at: number, record: FreeExtent): void {
    record.startblock = view.getUint32(at + START);
    record.blockcount = view.getUint32(at + COUNT);
  },
  encode(view: DataView, at: number, record: FreeExtent): void {
    view.setUint32(at + START, record.startblock);
    view.setUint32(at + COUNT, record.blockcount);
  },
  check: checkAgExtent,
  keyOfRecord(view: DataView, at: number, into: DataView, keyAt: number): void {
    into.setUint32(keyAt + START, view.getUint32(at + START));
    into.setUint32(keyAt + COUNT, view.getUint32(at + COUNT));
  },
  compareEnds: (): number => 0,
  highKeyOfRecord(): void {},
} as const;

/** The rule that an extent of AG blocks breaks, or null. */
export function checkAgExtent(record: Readonly<FreeExtent>, mp: XfsMount, agno: number): string | null {
  const { startblock, blockcount } = record;
  if (blockcount < 1 || startblock < 1 || startblock + blockcount > mp.agSize(agno))
    return `extent ${startblock} length ${blockcount} is outside the AG`;
  return null;
}

function allocBlock<K>(cursor: BtreeCursor<FreeExtent, K>): number {
  return allocFreeTreeBlock(cursor.trans(), cursor.agno);
}

function freeBlock<K>(cursor: BtreeCursor<FreeExtent, K>, pointer: number): void {
  freeFreeTreeBlock(cursor.trans(), cursor.agno, pointer);
}

export const bnobt: BtreeKind<FreeExtent, number> = {
  ...common,
  name: 'bnobt',
  magicV4: BtreeMagic.bnobt[0],
  magicV5: BtreeMagic.bnobt[1],
  rootAt: Agf.at.bno_root,
  levelAt: Agf.at.bno_level,
  setKey(search, key) {
    search.k0 = key;
  },
  setKeyOfRecord(search, record) {
    search.k0 = record.startblock;
  },
  compareRecord: (view, at, search) => view.getUint32(at + START) - search.k0,
  compareKey: (view, at, search) => view.getUint32(at + START) - search.k0,
  compareKeys: (a, aAt, b, bAt) => a.getUint32(aAt + START) - b.getUint32(bAt + START),
  allocBlock,
  freeBlock,
};

function compareCnt(view: DataView, at: number, search: { k0: number; k1: number }): number {
  return view.getUint32(at + COUNT) - search.k0 || view.getUint32(at + START) - search.k1;
}

export const cntbt: BtreeKind<FreeExtent, CntKey> = {
  ...common,
  name: 'cntbt',
  magicV4: BtreeMagic.cntbt[0],
  magicV5: BtreeMagic.cntbt[1],
  rootAt: Agf.at.cnt_root,
  levelAt: Agf.at.cnt_level,
  setKey(search, key) {
    search.k0 = key.blockcount;
    search.k1 = key.startblock;
  },
  setKeyOfRecord(search, record) {
    search.k0 = record.blockcount;
    search.k1 = record.startblock;
  },
  compareRecord: compareCnt,
  compareKey: compareCnt,
  compareKeys: (a, aAt, b, bAt) =>
    a.getUint32(aAt + COUNT) - b.getUint32(bAt + COUNT) || a.getUint32(aAt + START) - b.getUint32(bAt + START),
  allocBlock,
  freeBlock,
};

/** Free extents of an AG by block. The key is an AG block. */
export function bnobtCursor(mp: XfsMount, agno: number, tp: Trans | null = null, agf: Buf = mp.agf(agno)) {
  return agCursor(bnobt, mp, tp, agno, agf);
}

/** Free extents of an AG by length, then block. */
export function cntbtCursor(mp: XfsMount, agno: number, tp: Trans | null = null, agf: Buf = mp.agf(agno)) {
  return agCursor(cntbt, mp, tp, agno, agf);
}
