/**
 * Keeping the promises that a crash left open: each pending intent is carried out, in the order in which the log has
 * them, in a transaction of its own. What Linux would promise again on the way (a reverse mapping after a mapping, a
 * freeing after the last reference) is done in the same transaction here. Mirrors the *_recover_work functions.
 */
import { corrupt, FsError } from '../../../../core/errors.ts';
import { CHUNK_LOG, labelUnits } from '../../../../core/positions.ts';
import { freeExtent } from '../../alloc/free.ts';
import { fixFreelist } from '../../alloc/freelist.ts';
import type { Owner, SpecialOwner } from '../../alloc/owner.ts';
import { refcountDecrease, refcountIncrease, stageCow, unstageCow } from '../../alloc/refcount.ts';
import { rmapConvert, rmapMap, rmapUnmap } from '../../alloc/rmap.ts';
import { rmapRemove } from '../../alloc/rmap-records.ts';
import { attrRemove, attrSet } from '../../attr/edit.ts';
import { mapExtent, unmapExtent } from '../../bmap-edit.ts';
import { forkLookup } from '../../bmap-fork.ts';
import { type Rmap, rmapbtCursor } from '../../btree/rmap.ts';
import { swapMappings } from '../../exchange.ts';
import { Extent } from '../../extent.ts';
import type { XfsInode } from '../../inode.ts';
import { setDiskSize } from '../../inode-core.ts';
import type { XfsMount } from '../../mount.ts';
import { freeEofBlocks } from '../../release.ts';
import { RmapOwner } from '../../structure/btree-format.ts';
import { Dinode } from '../../structure/dinode.ts';
import type { Trans } from '../../trans.ts';
import {
  type AttrIntent,
  AttrOperation,
  type BmapIntent,
  type ExchangeIntent,
  type FreeIntent,
  type Intent,
  type RefcountIntent,
  type RmapIntent,
} from './intents.ts';

/** Low byte of rmap flags: what to do; high bits: to what. */
const RmapType = { MAP: 1, MAP_SHARED: 2, UNMAP: 3, UNMAP_SHARED: 4, CONVERT: 5, CONVERT_SHARED: 6, ALLOC: 7, FREE: 8 };
const RMAP_ATTR_FORK = 0x80000000;
const RMAP_BMBT_BLOCK = 0x40000000;
const RMAP_UNWRITTEN = 0x20000000;
const RefcountType = { INCREASE: 1, DECREASE: 2, ALLOC_COW: 3, FREE_COW: 4 };
const BmapType = { MAP: 1, UNMAP: 2 };
const BMAP_ATTR_FORK = 0x80000000;
const BMAP_UNWRITTEN = 0x40000000;
const BMAP_REALTIME = 0x20000000;
const EXCHANGE_ATTR_FORK = 1;
const EXCHANGE_SET_SIZES = 2;
const EXCHANGE_INO1_WRITTEN = 4;

/** Carries out the pending intents. @throws FsError EUCLEAN one makes no sense, ENOSPC, EOPNOTSUPP realtime */
export function finishIntents(mp: XfsMount, intents: readonly Intent[]): void {
  const used = new Set<number>();
  for (const intent of intents) {
    for (const ino of inodesOf(intent)) used.add(ino);
    switch (intent.kind) {
      case 'free':
        refuseRealtime(intent.realtime);
        mp.transact('recover: free', (tp) => finishFree(tp, intent));
        break;
      case 'rmap':
        refuseRealtime(intent.realtime);
        mp.transact('recover: rmap', (tp) => finishRmap(tp, intent));
        break;
      case 'refcount':
        refuseRealtime(intent.realtime);
        mp.transact('recover: refcount', (tp) => finishRefcount(tp, intent));
        break;
      case 'bmap':
        mp.transact('recover: map', (tp) => finishBmap(tp, intent));
        break;
      case 'attr':
        mp.transact('recover: attribute', (tp) => finishAttr(tp, intent));
        break;
      case 'exchange':
        finishExchange(mp, intent);
        break;
    }
  }
  // Linux lets go of the inodes that it needed, and with that of preallocation beyond their end.
  for (const ino of used) {
    const ip = mp.inodes.get(ino);
    if (ip.kind === 'file' && Dinode.get.nlink(ip.buf.view, ip.base) > 0) freeEofBlocks(ip);
  }
}

function inodesOf(intent: Intent): readonly number[] {
  if (intent.kind === 'bmap') return intent.extents.map((mapping) => mapping.owner);
  if (intent.kind === 'attr') return [intent.ino];
  return intent.kind === 'exchange' ? [intent.ino1, intent.ino2] : [];
}

function refuseRealtime(realtime: boolean): void {
  if (realtime) throw new FsError('EOPNOTSUPP', { detail: 'the log holds unfinished work on realtime groups' });
}

function finishFree(tp: Trans, intent: FreeIntent): void {
  for (const { fsb, length } of intent.extents) {
    checkBlocks(tp.mp, fsb, length);
    if (tp.mp.features.rmapbt) disown(tp, fsb, length);
    freeExtent(tp, fsb, length, 'skip');
  }
}

/**
 * An intent to free blocks says nothing of their owner. Either the reverse mapping is gone already or it is there as a
 * whole (blocks of trees and of inodes, whose mapping goes with the freeing): then it goes now.
 */
function disown(tp: Trans, fsb: number, length: number): void {
  const { mp } = tp;
  const agno = mp.fsbToAgno(fsb);
  const agbno = mp.fsbToAgbno(fsb);
  fixFreelist(tp, agno);
  const cursor = rmapbtCursor(mp, agno, tp);
  // The key of the last record that can start at or before the block.
  const key = { startblock: agbno, owner: RmapOwner.NULL, offset: 2 ** 54, attrFork: true, bmbtBlock: true };
  const found = cursor.lookup(key, 'le') ? { ...cursor.get() } : null;
  cursor.close();
  if (found === null || found.startblock + found.blockcount <= agbno) return;
  rmapRemove(tp, agno, agbno, length, ownerOfRecord(found, agbno));
}

function ownerOfRecord(record: Rmap, agbno: number): Exclude<Owner, 'skip'> {
  if (record.owner < 0) return { special: specialOwner(record.owner) };
  return {
    ino: record.owner,
    offset: record.bmbtBlock ? 0 : record.offset + (agbno - record.startblock),
    fork: record.attrFork ? 'attr' : 'data',
    bmbt: record.bmbtBlock,
    real: true,
    unwritten: record.unwritten,
  };
}

function finishRmap(tp: Trans, intent: RmapIntent): void {
  for (const { owner, fsb, offset, length, flags } of intent.extents) {
    checkBlocks(tp.mp, fsb, length);
    const who: Exclude<Owner, 'skip'> =
      owner < 0
        ? { special: specialOwner(owner) }
        : {
            ino: owner,
            offset,
            fork: (flags & RMAP_ATTR_FORK) !== 0 ? 'attr' : 'data',
            bmbt: (flags & RMAP_BMBT_BLOCK) !== 0,
            real: true,
            unwritten: (flags & RMAP_UNWRITTEN) !== 0,
          };
    switch (flags & 0xff) {
      case RmapType.MAP:
      case RmapType.MAP_SHARED:
      case RmapType.ALLOC:
        rmapMap(tp, fsb, length, who);
        break;
      case RmapType.UNMAP:
      case RmapType.UNMAP_SHARED:
      case RmapType.FREE:
        rmapUnmap(tp, fsb, length, who);
        break;
      case RmapType.CONVERT:
      case RmapType.CONVERT_SHARED:
        rmapConvert(tp, fsb, length, who);
        break;
      default:
        throw senseless('rmap', flags);
    }
  }
}

const SPECIAL_OWNERS: ReadonlyMap<number, SpecialOwner> = new Map([
  [RmapOwner.FS, 'fs'],
  [RmapOwner.LOG, 'log'],
  [RmapOwner.AG, 'ag'],
  [RmapOwner.INOBT, 'inobt'],
  [RmapOwner.INODES, 'inodes'],
  [RmapOwner.REFC, 'refc'],
  [RmapOwner.COW, 'cow'],
] as const);

function specialOwner(owner: number): SpecialOwner {
  const special = SPECIAL_OWNERS.get(owner);
  if (special === undefined) throw senseless('owner', owner);
  return special;
}

function finishRefcount(tp: Trans, intent: RefcountIntent): void {
  for (const { fsb, length, flags } of intent.extents) {
    checkBlocks(tp.mp, fsb, length);
    switch (flags & 0xff) {
      case RefcountType.INCREASE:
        refcountIncrease(tp, fsb, length);
        break;
      case RefcountType.DECREASE:
        refcountDecrease(tp, fsb, length);
        break;
      case RefcountType.ALLOC_COW:
        stageCow(tp, fsb, length);
        break;
      case RefcountType.FREE_COW:
        unstageCow(tp, fsb, length);
        break;
      default:
        throw senseless('refcount', flags);
    }
  }
}

const extent = new Extent();

function finishBmap(tp: Trans, intent: BmapIntent): void {
  for (const { owner, fsb, offset: real, length, flags } of intent.extents) {
    if ((flags & BMAP_REALTIME) !== 0) refuseRealtime(true);
    const offset = labelUnits(real, CHUNK_LOG - tp.mp.blockLog);
    if (offset < 0) throw new FsError('EFBIG', { detail: `the log maps file block ${real} of inode ${owner}` });
    checkBlocks(tp.mp, fsb, length);
    const ip = tp.mp.inodes.get(owner);
    const fork = (flags & BMAP_ATTR_FORK) !== 0 ? 'attr' : 'data';
    const type = flags & 0xff;
    if (type === BmapType.MAP) {
      mapExtent(tp, ip, fork, extent.set(offset, fsb, length, (flags & BMAP_UNWRITTEN) !== 0));
    } else if (type === BmapType.UNMAP) unmapAll(tp, ip, fork, offset, length);
    else throw senseless('bmap', flags);
  }
}

/** Takes every mapping of the range out of the fork; holes in it stay. */
function unmapAll(tp: Trans, ip: XfsInode, fork: 'data' | 'attr', offset: number, length: number): void {
  const end = offset + length;
  for (let at = offset; at < end && forkLookup(ip, fork, at, extent) && extent.off < end; ) {
    const from = Math.max(at, extent.off);
    const to = Math.min(end, extent.end);
    unmapExtent(tp, ip, fork, from, to - from);
    at = to;
  }
}

function finishAttr(tp: Trans, intent: AttrIntent): void {
  const ip = tp.mp.inodes.get(intent.ino);
  const parent = intent.operation >= AttrOperation.PPTR_SET;
  if (parent && Dinode.get.gen(ip.buf.view, ip.base) !== intent.generation) {
    throw corrupt({ structure: `log attribute intent of inode ${intent.ino}`, rule: 'another generation' });
  }
  const flags = intent.filter & 0x0e;
  const old = { flags, name: intent.name, value: intent.value ?? new Uint8Array(0) };
  switch (intent.operation) {
    case AttrOperation.SET:
    case AttrOperation.REPLACE:
    case AttrOperation.PPTR_SET:
      attrSet(tp, ip, old);
      break;
    case AttrOperation.REMOVE:
    case AttrOperation.PPTR_REMOVE:
      attrRemove(tp, ip, old);
      break;
    case AttrOperation.PPTR_REPLACE:
      attrRemove(tp, ip, old);
      attrSet(tp, ip, { flags, name: intent.newName ?? intent.name, value: intent.newValue ?? old.value });
      break;
    default:
      throw senseless('attribute', intent.operation);
  }
}

function finishExchange(mp: XfsMount, intent: ExchangeIntent): void {
  if ((intent.flags & EXCHANGE_ATTR_FORK) !== 0) {
    throw new FsError('EOPNOTSUPP', { detail: 'the log holds an unfinished exchange of attribute forks' });
  }
  const one = mp.inodes.get(intent.ino1);
  const two = mp.inodes.get(intent.ino2);
  for (const [ip, gen] of [
    [one, intent.generation1],
    [two, intent.generation2],
  ] as const) {
    if (Dinode.get.gen(ip.buf.view, ip.base) === gen) continue;
    throw corrupt({ structure: `log exchange intent of inode ${ip.ino}`, rule: 'another generation' });
  }
  const writtenOnly = (intent.flags & EXCHANGE_INO1_WRITTEN) !== 0;
  swapMappings(one, intent.offset1, two, intent.offset2, intent.blocks, writtenOnly, () => {});
  if ((intent.flags & EXCHANGE_SET_SIZES) === 0) return;
  mp.transact('recover: sizes', (tp) => {
    tp.modifyInode(one);
    tp.modifyInode(two);
    setDiskSize(one, intent.size1);
    setDiskSize(two, intent.size2);
  });
  mp.inodes.forget(one.ino);
  mp.inodes.forget(two.ino);
}

function checkBlocks(mp: XfsMount, fsb: number, length: number): void {
  if (mp.validFsb(fsb, length)) return;
  throw corrupt({ structure: 'log intent', value: `${fsb}+${length}`, rule: 'blocks outside the image' });
}

function senseless(what: string, value: number): Error {
  return corrupt({ structure: `log ${what} intent`, value: `0x${(value >>> 0).toString(16)}`, rule: 'unknown' });
}
