/**
 * How many blocks may still be promised. The superblock counts all free blocks; some of them are spoken for:
 *
 *   reserved   delayed allocations and blocks a running operation asked for (reserve/unreserve)
 *   pool       5 %, at most 8192 blocks, that Linux keeps for itself while mounted
 *   set aside  8 blocks an AG, to refill free lists and split a bmap btree, and the free-space btrees' own blocks
 *   hidden     per AG: what refcount and free-inode btree may still grow, and the whole room of the rmap btree
 *
 * Only `reserved` is kept as a number of its own; the rest follows from AG headers, so an aborted transaction
 * cannot leave it wrong (totals over AGs are cached, and put back on abort). Nothing of this is on disk.
 * Mirrors xfs_ag_resv.c, xfs_dec_freecounter, xfs_reserve_blocks, xfs_fs_statfs.
 */
import { FsError } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';
import { Agf, Agi } from '../structure/ag.ts';
import { Superblock } from '../structure/sb.ts';
import type { Trans } from '../trans.ts';
import { type BtreeName, btreeMaxRecords } from '../verify/btree.ts';
import { countBtreeBlocks } from './btree-count.ts';

/** Which per-AG reservation pays for a block. */
export type Reservation = 'none' | 'metadata' | 'rmapbt' | 'agfl';

const AGFL_RESERVE = 4;
const BMBT_SPLIT_RESERVE = 4;
/** Linux's per-CPU counters of free blocks tell the global one from this amount on. */
const COUNTER_BATCH = 1024;

/** Least records in a leaf and in a node. */
type Limits = readonly [leaf: number, node: number];

interface GroupReserve {
  /** Blocks that refcount and free-inode btree may take, and the rmap btree. */
  meta: number;
  rmap: number;
  /** Blocks of the free-inode btree, where the AGI does not count them. */
  finobtBlocks: number;
}

export class SpaceCounters {
  /** Blocks promised and not yet allocated. */
  reserved = 0;
  /** The AG where the next directory goes: they are spread over all. */
  directoryAg = 0;
  readonly allocMaxLevels: number;
  readonly rmapMaxLevels: number;
  private readonly mp: XfsMount;
  private groups: GroupReserve[] | null = null;
  private pool = 0;
  /** Of the hidden blocks those that Linux's counter of this CPU has not yet told the global one. */
  private unsettled = 0;
  private hiddenMeta = 0;
  private hiddenRmap = 0;
  private freeTreeBlocks = 0;
  private reducedAgUsable = 0;

  constructor(mp: XfsMount) {
    this.mp = mp;
    this.allocMaxLevels = heightFor(this.limits('bnobt'), Math.ceil(mp.agBlocks / 2));
    const rmap = this.limits('rmapbt');
    if (!mp.features.rmapbt) this.rmapMaxLevels = 0;
    else this.rmapMaxLevels = mp.features.reflink ? heightInSpace(rmap, mp.agBlocks) : heightFor(rmap, mp.agBlocks);
  }

  /** Free blocks as the superblock counts them. */
  get free(): number {
    return Superblock.get.fdblocks(this.mp.sbBuf.view, 0);
  }

  /** Blocks that a user may still get: what statfs reports, before delayed allocations are taken off. */
  get available(): number {
    this.groupReserves();
    return this.free - this.pool - this.hiddenMeta - this.hiddenRmap - this.unavailable() - this.reserved;
  }

  /** What XFS_IOC_FSCOUNTS says right after a mount: as `available`, but small amounts hidden last do not count yet. */
  get roughlyAvailable(): number {
    return this.available + this.unsettled;
  }

  /** Promises `blocks`. @throws FsError ENOSPC */
  reserve(blocks: number): void {
    if (blocks > 0 && this.available < blocks) throw new FsError('ENOSPC');
    this.reserved += blocks;
  }

  /** Takes a promise back, or fulfils it: allocated blocks are no longer in the free count. */
  unreserve(blocks: number): void {
    this.reserved = Math.max(0, this.reserved - blocks);
  }

  /** True if `blocks` more can be allocated; `fromPool`: for work that may use Linux's own reserve. */
  allows(blocks: number, fromPool = false): boolean {
    return this.available + (fromPool ? this.pool : 0) >= blocks;
  }

  /** Blocks of an AG that others than `user` must not take. */
  heldBack(agno: number, user: Reservation): number {
    const group = this.groupReserves()[agno] as GroupReserve;
    let blocks = 0;
    if (user !== 'metadata') blocks += Math.max(0, group.meta - this.metaUsed(agno, group));
    if (user !== 'rmapbt' && this.mp.features.rmapbt)
      blocks += Math.max(0, group.rmap - Agf.get.rmap_blocks(this.mp.agf(agno).view, 0));
    return blocks;
  }

  /** Records that a block of the refcount or free-inode btree was taken (1) or given back (-1): call before its count changes. */
  metadataBlocks(tp: Trans, agno: number, change: 1 | -1, tree: 'refcountbt' | 'finobt'): void {
    const group = this.groupReserves()[agno] as GroupReserve;
    const used = this.metaUsed(agno, group);
    const delta = Math.max(0, group.meta - used - change) - Math.max(0, group.meta - used);
    const counted = tree === 'finobt' && !this.mp.features.inobtCounts;
    this.hiddenMeta += delta;
    if (counted) group.finobtBlocks += change;
    tp.onAbort(() => {
      this.hiddenMeta -= delta;
      if (counted) group.finobtBlocks -= change;
    });
  }

  /** Records that a free-space btree took or gave back a block. */
  freeTreeBlock(tp: Trans, change: 1 | -1): void {
    this.freeTreeBlocks += change;
    tp.onAbort(() => {
      this.freeTreeBlocks -= change;
    });
  }

  /** The longest extent that one AG can hold besides its own structures. */
  get agUsable(): number {
    const { mp } = this;
    this.groupReserves();
    const headers = Math.ceil((4 * mp.sectorSize) / mp.blockSize);
    const roots = 3 + Number(mp.features.finobt) + Number(mp.features.rmapbt) + Number(mp.features.reflink);
    return mp.agBlocks - headers - AGFL_RESERVE - roots - this.reducedAgUsable;
  }

  private unavailable(): number {
    return this.mp.agCount * (AGFL_RESERVE + BMBT_SPLIT_RESERVE) + this.freeTreeBlocks;
  }

  private metaUsed(agno: number, group: GroupReserve): number {
    const { mp } = this;
    let used = 0;
    if (mp.features.reflink) used += Agf.get.refcount_blocks(mp.agf(agno).view, 0);
    if (mp.features.finobt)
      used += mp.features.inobtCounts ? Agi.get.fblocks(mp.agi(agno).view, 0) : group.finobtBlocks;
    return used;
  }

  /** The reservations of each AG, made on first use as Linux makes them when mounting. */
  private groupReserves(): GroupReserve[] {
    if (this.groups !== null) return this.groups;
    const { mp } = this;
    // A damaged header may stop this half-way: the next question starts again.
    this.hiddenMeta = this.hiddenRmap = this.freeTreeBlocks = this.unsettled = 0;
    const groups: GroupReserve[] = [];
    if (mp.features.reflink || mp.features.rmapbt || mp.features.finobt) this.countFreeTreeBlocks();
    const wanted = Math.min(Math.floor(mp.dataBlocks / 20), 8192);
    this.pool = Math.max(0, Math.min(wanted, this.free - this.unavailable()));
    for (let agno = 0; agno < mp.agCount; agno++) groups.push(this.reserveGroup(agno));
    this.groups = groups;
    return groups;
  }

  private reserveGroup(agno: number): GroupReserve {
    const { mp } = this;
    const { finobt, reflink, rmapbt, inobtCounts } = mp.features;
    const group: GroupReserve = { meta: 0, rmap: 0, finobtBlocks: 0 };
    const hasLog = mp.logStart > 0 && mp.fsbToAgno(mp.logStart) === agno;
    const blocks = mp.agSize(agno) - (hasLog ? mp.logBlocks : 0);
    if (finobt && !inobtCounts) group.finobtBlocks = countBtreeBlocks(mp, agno, 'finobt');
    if (reflink) group.meta += sizeFor(this.limits('refcountbt'), blocks);
    if (finobt) group.meta += sizeFor(this.limits('finobt'), Math.floor((blocks * mp.inodesPerBlock) / 64));
    const used = this.metaUsed(agno, group);
    group.meta = Math.max(group.meta, used);
    if (!this.hide(group.meta - used)) group.meta = used;
    this.hiddenMeta += group.meta - used;
    if (rmapbt) {
      const trees = Agf.get.rmap_blocks(mp.agf(agno).view, 0);
      group.rmap = Math.max(Math.floor(blocks / 100), sizeFor(this.limits('rmapbt'), blocks), trees);
      if (!this.hide(group.rmap)) group.rmap = 0;
      this.hiddenRmap += group.rmap;
    }
    if (agno === 0) this.reducedAgUsable = group.meta + group.rmap;
    return group;
  }

  /** True if `blocks` can be hidden; the pool helps out as it does in Linux. */
  private hide(blocks: number): boolean {
    const left = this.free - this.pool - this.hiddenMeta - this.hiddenRmap - this.unavailable();
    if (left >= blocks) {
      this.unsettled += blocks;
      if (this.unsettled >= COUNTER_BATCH) this.unsettled = 0;
      return true;
    }
    if (this.pool < blocks) return false;
    this.pool -= blocks;
    return true;
  }

  private countFreeTreeBlocks(): void {
    const { mp } = this;
    for (let agno = 0; agno < mp.agCount; agno++) {
      const { view } = mp.agf(agno);
      const rmap = mp.features.rmapbt ? Agf.get.rmap_blocks(view, 0) - 1 : 0;
      this.freeTreeBlocks += Math.max(0, Agf.get.btreeblks(view, 0) - rmap);
    }
  }

  private limits(name: BtreeName): Limits {
    return [btreeMaxRecords(this.mp, name, true) >> 1, btreeMaxRecords(this.mp, name, false) >> 1];
  }
}

/** Height of a tree of `records` with blocks as empty as they may be. */
function heightFor([leaf, node]: Limits, records: number): number {
  let blocks = Math.ceil(records / leaf);
  let height = 1;
  for (; blocks > 1; height++) blocks = Math.ceil(blocks / node);
  return height;
}

/** Blocks of such a tree. */
function sizeFor([leaf, node]: Limits, records: number): number {
  let level = Math.ceil(records / leaf);
  let blocks = level;
  while (level > 1) {
    level = Math.ceil(level / node);
    blocks += level;
  }
  return blocks;
}

/** Height of a tree that fills `blocks`. */
function heightInSpace([, node]: Limits, blocks: number): number {
  let left = blocks - 1;
  let height = 1;
  for (let level = 2; level < left; level *= node) {
    left -= level;
    height++;
  }
  return height;
}
