/** The reference count btree of an AG: extents with two or more owners, and CoW staging extents (in their own domain). */
import type { Buf } from '../../../core/buffer-cache.ts';
import { allocRefcountBlock, freeRefcountBlock } from '../alloc/btree-blocks.ts';
import type { XfsMount } from '../mount.ts';
import { Agf } from '../structure/ag.ts';
import { BtreeMagic, REFC_COWFLAG, RefcountKey, RefcountRecord } from '../structure/btree-format.ts';
import type { Trans } from '../trans.ts';
import { agCursor } from './ag-cursor.ts';
import { checkAgExtent } from './free-space.ts';
import type { BtreeKind } from './kind.ts';

/** A counted extent in AG blocks. `cow`: a staging extent, whose refcount is 1; these sort after all shared ones. */
export interface RefcountExtent {
  startblock: number;
  blockcount: number;
  refcount: number;
  cow: boolean;
}

const AT = RefcountRecord.at;
const DOMAIN = REFC_COWFLAG;

export const refcountbt: BtreeKind<RefcountExtent, number> = {
  name: 'refcountbt',
  magicV4: BtreeMagic.refcountbt[0],
  magicV5: BtreeMagic.refcountbt[1],
  recordSize: RefcountRecord.size,
  lowKeySize: RefcountKey.size,
  overlapping: false,
  inodeRooted: false,
  rootAt: Agf.at.refcount_root,
  levelAt: Agf.at.refcount_level,
  createRecord: () => ({ startblock: 0, blockcount: 0, refcount: 0, cow: false }),
  setKey(search, key) {
    search.k0 = key;
  },
  setKeyOfRecord(search, record) {
    search.k0 = record.cow ? record.startblock + DOMAIN : record.startblock;
  },
  compareRecord: (view, at, search) => view.getUint32(at) - search.k0,
  compareKey: (view, at, search) => view.getUint32(at) - search.k0,
  compareKeys: (a, aAt, b, bAt) => a.getUint32(aAt) - b.getUint32(bAt),
  decode(view, at, record) {
    const start = view.getUint32(at);
    record.cow = start >= DOMAIN;
    record.startblock = record.cow ? start - DOMAIN : start;
    record.blockcount = view.getUint32(at + AT.blockcount);
    record.refcount = view.getUint32(at + AT.refcount);
  },
  encode(view, at, record) {
    view.setUint32(at, record.cow ? record.startblock + DOMAIN : record.startblock);
    view.setUint32(at + AT.blockcount, record.blockcount);
    view.setUint32(at + AT.refcount, record.refcount);
  },
  check(record, mp, agno) {
    if (record.cow !== (record.refcount === 1))
      return `refcount ${record.refcount} of a ${record.cow ? 'staging' : 'shared'} extent`;
    if (record.refcount < 1) return 'refcount 0';
    return checkAgExtent(record, mp, agno);
  },
  keyOfRecord(view, at, into, keyAt) {
    into.setUint32(keyAt, view.getUint32(at));
  },
  compareEnds: () => 0,
  highKeyOfRecord() {},
  allocBlock: (cursor) => allocRefcountBlock(cursor.trans(), cursor.agno),
  freeBlock: (cursor, pointer) => freeRefcountBlock(cursor.trans(), cursor.agno, pointer),
};

/** The lookup key of a staging extent that starts at `agbno`. */
export function cowKey(agbno: number): number {
  return agbno + DOMAIN;
}

/** Shared and staging extents of an AG. The key is an AG block, or cowKey(AG block). */
export function refcountbtCursor(mp: XfsMount, agno: number, tp: Trans | null = null, agf: Buf = mp.agf(agno)) {
  return agCursor(refcountbt, mp, tp, agno, agf);
}
