/**
 * The reverse mapping btree of an AG: who owns each extent. Records of different owners may overlap (shared
 * blocks), so node keys carry the highest key below as well. Order: block, owner, then offset with the fork and
 * bmbt flags in its top bits; the unwritten flag takes no part. Blocks come from the AGFL.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { allocRmapBlock, freeRmapBlock } from '../alloc/agfl.ts';
import type { XfsMount } from '../mount.ts';
import { Agf } from '../structure/ag.ts';
import { BtreeMagic, RmapFlagHigh, RmapKey, RmapOwner, RmapRecord } from '../structure/btree-format.ts';
import type { Trans } from '../trans.ts';
import { agCursor } from './ag-cursor.ts';
import { checkAgExtent } from './free-space.ts';
import type { BtreeKind, SearchKey } from './kind.ts';

/** An owned extent in AG blocks. A negative owner is one of RmapOwner; offset (file blocks) is 0 for these and bmbt blocks. */
export interface Rmap {
  startblock: number;
  blockcount: number;
  owner: number;
  offset: number;
  attrFork: boolean;
  bmbtBlock: boolean;
  unwritten: boolean;
}

/** What an rmap lookup compares. */
export interface RmapSearch {
  readonly startblock: number;
  readonly owner: number;
  readonly offset: number;
  readonly attrFork: boolean;
  readonly bmbtBlock: boolean;
}

const TWO32 = 0x1_0000_0000;
const REC = RmapRecord.at;
const KEY = RmapKey.at;
const SORTED_FLAGS = RmapFlagHigh.ATTR_FORK | RmapFlagHigh.BMBT_BLOCK;
/** Flags above the 54 bits of an offset: the rest of the high word. */
const OFFSET_HIGH = 0x003fffff;

function readOwner(view: DataView, at: number): number {
  const high = view.getUint32(at);
  if (high === 0xffffffff) return view.getUint32(at + 4) - TWO32;
  return high * TWO32 + view.getUint32(at + 4);
}

function writeOwner(view: DataView, at: number, owner: number): void {
  view.setUint32(at, owner < 0 ? 0xffffffff : Math.floor(owner / TWO32));
  view.setUint32(at + 4, owner < 0 ? owner + TWO32 : owner % TWO32);
}

/** Special owners are the highest 64-bit values, so they sort after every inode. */
function compareOwners(a: number, b: number): number {
  if (a < 0 !== b < 0) return a < 0 ? 1 : -1;
  return a - b;
}

function compare(view: DataView, at: number, ownerAt: number, search: SearchKey): number {
  const block = view.getUint32(at) - search.k0;
  if (block !== 0) return block;
  const owner = compareOwners(readOwner(view, at + ownerAt), search.k1);
  if (owner !== 0) return owner;
  const offsetAt = at + ownerAt + 8;
  const high = view.getUint32(offsetAt);
  const flags = ((high & SORTED_FLAGS) >>> 0) - search.k2;
  if (flags !== 0) return flags;
  return (high & OFFSET_HIGH) * TWO32 + view.getUint32(offsetAt + 4) - search.k3;
}

function sortedFlags(key: { readonly attrFork: boolean; readonly bmbtBlock: boolean }): number {
  return (key.attrFork ? RmapFlagHigh.ATTR_FORK : 0) + (key.bmbtBlock ? RmapFlagHigh.BMBT_BLOCK : 0);
}

function setKey(search: SearchKey, key: RmapSearch): void {
  search.k0 = key.startblock;
  search.k1 = key.owner;
  search.k2 = sortedFlags(key);
  search.k3 = key.offset;
}

export const rmapbt: BtreeKind<Rmap, RmapSearch> = {
  name: 'rmapbt',
  magicV4: BtreeMagic.rmapbt[0],
  magicV5: BtreeMagic.rmapbt[1],
  recordSize: RmapRecord.size,
  lowKeySize: RmapKey.size,
  overlapping: true,
  inodeRooted: false,
  rootAt: Agf.at.rmap_root,
  levelAt: Agf.at.rmap_level,
  createRecord: () => ({
    startblock: 0,
    blockcount: 0,
    owner: 0,
    offset: 0,
    attrFork: false,
    bmbtBlock: false,
    unwritten: false,
  }),
  setKey,
  setKeyOfRecord: setKey,
  compareRecord: (view, at, search) => compare(view, at, REC.owner, search),
  compareKey: (view, at, search) => compare(view, at, KEY.owner, search),
  compareKeys(a, aAt, b, bAt) {
    const block = a.getUint32(aAt) - b.getUint32(bAt);
    if (block !== 0) return block;
    for (let word = KEY.owner; word < RmapKey.size; word += 4) {
      const mask = word === KEY.offset ? ~RmapFlagHigh.UNWRITTEN : -1;
      const difference = ((a.getUint32(aAt + word) & mask) >>> 0) - ((b.getUint32(bAt + word) & mask) >>> 0);
      if (difference !== 0) return difference;
    }
    return 0;
  },
  decode(view, at, record) {
    const high = view.getUint32(at + REC.offset);
    record.startblock = view.getUint32(at);
    record.blockcount = view.getUint32(at + REC.blockcount);
    record.owner = readOwner(view, at + REC.owner);
    record.offset = (high & OFFSET_HIGH) * TWO32 + view.getUint32(at + REC.offset + 4);
    record.attrFork = (high & RmapFlagHigh.ATTR_FORK) !== 0;
    record.bmbtBlock = (high & RmapFlagHigh.BMBT_BLOCK) !== 0;
    record.unwritten = (high & RmapFlagHigh.UNWRITTEN) !== 0;
  },
  encode(view, at, record) {
    view.setUint32(at, record.startblock);
    view.setUint32(at + REC.blockcount, record.blockcount);
    writeOwner(view, at + REC.owner, record.owner);
    const flags = sortedFlags(record) + (record.unwritten ? RmapFlagHigh.UNWRITTEN : 0);
    view.setUint32(at + REC.offset, flags + Math.floor(record.offset / TWO32));
    view.setUint32(at + REC.offset + 4, record.offset % TWO32);
  },
  check(record, mp, agno) {
    if (record.owner < RmapOwner.COW || (record.owner < 0 && record.owner > RmapOwner.FS))
      return `owner ${record.owner}`;
    if (record.owner === RmapOwner.FS)
      return record.startblock === 0 && record.blockcount >= 1 ? null : 'AG headers elsewhere than at block 0';
    if (record.owner >= 0 && !mp.validIno(record.owner)) return `owner inode ${record.owner} is outside`;
    if (record.owner < 0 && (record.attrFork || record.bmbtBlock || record.unwritten))
      return 'flags of a special owner';
    return checkAgExtent(record, mp, agno);
  },
  keyOfRecord(view, at, into, keyAt) {
    into.setUint32(keyAt, view.getUint32(at));
    copyOwner(view, at, into, keyAt);
    into.setUint32(keyAt + KEY.offset, (view.getUint32(at + REC.offset) & ~RmapFlagHigh.UNWRITTEN) >>> 0);
    into.setUint32(keyAt + KEY.offset + 4, view.getUint32(at + REC.offset + 4));
  },
  compareEnds(view, aAt, bAt) {
    const a = view.getUint32(aAt) + view.getUint32(aAt + REC.blockcount);
    const b = view.getUint32(bAt) + view.getUint32(bAt + REC.blockcount);
    if (a !== b) return a - b;
    rmapbt.highKeyOfRecord(view, aAt, scratch, 0);
    rmapbt.highKeyOfRecord(view, bAt, scratch, RmapKey.size);
    return rmapbt.compareKeys(scratch, 0, scratch, RmapKey.size);
  },
  highKeyOfRecord(view, at, into, keyAt) {
    const span = view.getUint32(at + REC.blockcount) - 1;
    const high = view.getUint32(at + REC.offset);
    into.setUint32(keyAt, view.getUint32(at) + span);
    copyOwner(view, at, into, keyAt);
    // Special owners and bmbt blocks have no offset that could advance with the block.
    const advances = view.getUint32(at + REC.owner) !== 0xffffffff && (high & RmapFlagHigh.BMBT_BLOCK) === 0;
    const low = view.getUint32(at + REC.offset + 4) + (advances ? span : 0);
    const carry = low >= TWO32 ? 1 : 0;
    into.setUint32(keyAt + KEY.offset, ((high & ~RmapFlagHigh.UNWRITTEN) >>> 0) + carry);
    into.setUint32(keyAt + KEY.offset + 4, low % TWO32);
  },
  allocBlock: (cursor) => allocRmapBlock(cursor.trans(), cursor.agno),
  freeBlock: (cursor, pointer) => freeRmapBlock(cursor.trans(), cursor.agno, pointer),
};

const scratch = new DataView(new ArrayBuffer(2 * RmapKey.size));

function copyOwner(view: DataView, recordAt: number, into: DataView, keyAt: number): void {
  into.setUint32(keyAt + KEY.owner, view.getUint32(recordAt + REC.owner));
  into.setUint32(keyAt + KEY.owner + 4, view.getUint32(recordAt + REC.owner + 4));
}

/** Owned extents of an AG; only where the feature `rmapbt` is. */
export function rmapbtCursor(mp: XfsMount, agno: number, tp: Trans | null = null, agf: Buf = mp.agf(agno)) {
  return agCursor(rmapbt, mp, tp, agno, agf);
}
