/**
 * Who owns each part of the device, as FS_IOC_GETFSMAP answers: from the reverse map where there is one, gaps being
 * free; else from the free-space btree, gaps being unknown. Shared blocks come once for each owner. Mirrors
 * fs/xfs/xfs_fsmap.c. Numbers are bytes.
 */

import { findShared } from '../alloc/refcount.ts';
import { bnobtCursor } from '../btree/free-space.ts';
import { visitOverlap } from '../btree/overlap.ts';
import { rmapbtCursor } from '../btree/rmap.ts';
import type { XfsMount } from '../mount.ts';
import { RmapOwner } from '../structure/btree-format.ts';
import { freeRealtime } from './rt-bitmap.ts';

/** Owners that are no inode; the code is the low half of the kernel's FMR_OWNER number, with its type ('X' or 0). */
export type FsmapSpecial = 'free' | 'unknown' | 'fs' | 'log' | 'ag' | 'inobt' | 'inodes' | 'refc' | 'cow';

/** FMR_OWNER type and code of each special owner, as `fsmap -m` prints them. */
export const FSMAP_CODES: Readonly<Record<FsmapSpecial, readonly [type: number, code: number]>> = {
  free: [0, 1],
  unknown: [0, 2],
  fs: [0x58, 1],
  log: [0x58, 2],
  ag: [0x58, 3],
  inobt: [0x58, 4],
  inodes: [0x58, 5],
  refc: [0x58, 6],
  cow: [0x58, 7],
};

export type FsmapDevice = 'data' | 'log' | 'realtime';

/** One mapping; the object is reused for the next. */
export interface FsmapEntry {
  device: FsmapDevice;
  /** Byte of that device. */
  physical: number;
  /** Bytes. */
  length: number;
  /** An inode number, or a special owner. */
  owner: number | FsmapSpecial;
  /** File offset, not as a label but as it is: a multiple of the block size, exact. 0 for special owners and extent maps. */
  offset: number;
  /** Of the file's attributes. */
  attrFork: boolean;
  /** A block of the file's extent btree. */
  extentMap: boolean;
  /** Preallocated, not written. */
  prealloc: boolean;
  /** Of several files. */
  shared: boolean;
}

/** A range of device bytes, both ends included, as the ioctl's keys have it. */
export interface FsmapRange {
  readonly start: number;
  readonly end: number;
}

const OWNERS: Readonly<Record<number, FsmapSpecial>> = {
  [RmapOwner.FS]: 'fs',
  [RmapOwner.LOG]: 'log',
  [RmapOwner.AG]: 'ag',
  [RmapOwner.INOBT]: 'inobt',
  [RmapOwner.INODES]: 'inodes',
  [RmapOwner.REFC]: 'refc',
  [RmapOwner.COW]: 'cow',
};

const SECTOR = 512;

/** Shows `visit` the mappings of a device that touch `range`, by rising address, until it answers false. @throws FsError EUCLEAN, EIO */
export function fsmap(
  mp: XfsMount,
  device: FsmapDevice,
  range: FsmapRange,
  visit: (entry: FsmapEntry) => boolean,
): void {
  if (device === 'data') mapData(mp, range, visit);
  else if (device === 'log') mapLog(mp, range, visit);
  else mapRealtime(mp, range, visit);
}

class Reporter {
  readonly entry: FsmapEntry;
  /** Where the next mapping should begin: what lies before is a gap. */
  next: number;
  done = false;
  private readonly gapOwner: FsmapSpecial;
  private readonly visit: (entry: FsmapEntry) => boolean;

  constructor(device: FsmapDevice, start: number, gapOwner: FsmapSpecial, visit: (entry: FsmapEntry) => boolean) {
    this.entry = emptyEntry(device);
    this.next = start;
    this.gapOwner = gapOwner;
    this.visit = visit;
  }

  /** Reports the gap before `physical`, if there is one; false to stop. */
  gap(physical: number): boolean {
    if (physical <= this.next) return true;
    const { entry } = this;
    Object.assign(entry, emptyEntry(entry.device));
    entry.physical = this.next;
    entry.length = physical - this.next;
    entry.owner = this.gapOwner;
    return this.show();
  }

  /** Reports the filled-in entry. */
  show(): boolean {
    const { entry } = this;
    this.next = Math.max(this.next, entry.physical + entry.length);
    this.done = !this.visit(entry);
    return !this.done;
  }
}

function emptyEntry(device: FsmapDevice): FsmapEntry {
  return {
    device,
    physical: 0,
    length: 0,
    owner: 'unknown',
    offset: 0,
    attrFork: false,
    extentMap: false,
    prealloc: false,
    shared: false,
  };
}

function mapData(mp: XfsMount, range: FsmapRange, visit: (entry: FsmapEntry) => boolean): void {
  const end = mp.dataBlocks * mp.blockSize;
  const start = range.start - (range.start % SECTOR);
  if (start >= end) return;
  const lastByte = Math.min(end, range.end - (range.end % SECTOR) + SECTOR) - 1;
  const firstBlock = Math.floor(start / mp.blockSize);
  const lastBlock = Math.floor(lastByte / mp.blockSize);
  const reporter = new Reporter('data', start, mp.features.rmapbt ? 'free' : 'unknown', visit);
  const mapAg = mp.features.rmapbt ? mapOwners : mapFree;
  const lastAg = Math.floor(lastBlock / mp.agBlocks);
  for (let agno = Math.floor(firstBlock / mp.agBlocks); agno <= lastAg && !reporter.done; agno++) {
    const base = agno * mp.agBlocks;
    mapAg(mp, agno, Math.max(firstBlock - base, 0), Math.min(lastBlock - base, mp.agSize(agno) - 1), reporter);
  }
  if (!reporter.done) reporter.gap(lastByte + 1);
}

function mapOwners(mp: XfsMount, agno: number, first: number, last: number, reporter: Reporter): void {
  const { entry } = reporter;
  visitOverlap(rmapbtCursor(mp, agno), first, last, (record) => {
    const physical = mp.agbToAddr(agno, record.startblock);
    if (!reporter.gap(physical)) return false;
    const special = record.owner < 0;
    entry.physical = physical;
    entry.length = record.blockcount * mp.blockSize;
    entry.owner = special ? (OWNERS[record.owner] ?? 'unknown') : record.owner;
    entry.offset = record.offset * mp.blockSize;
    entry.attrFork = record.attrFork;
    entry.extentMap = record.bmbtBlock;
    entry.prealloc = record.unwritten;
    const plain = !special && !record.attrFork && !record.bmbtBlock && !record.unwritten;
    entry.shared = plain && findShared(mp, agno, record.startblock, record.blockcount) !== null;
    return reporter.show();
  });
}

function mapFree(mp: XfsMount, agno: number, first: number, last: number, reporter: Reporter): void {
  const { entry } = reporter;
  const cursor = bnobtCursor(mp, agno);
  for (let more = cursor.lookup(first, 'le') || cursor.lookup(first, 'ge'); more; more = cursor.next()) {
    const { startblock, blockcount } = cursor.get();
    if (startblock > last) return;
    if (startblock + blockcount <= first) continue;
    const physical = mp.agbToAddr(agno, startblock);
    if (!reporter.gap(physical)) return;
    Object.assign(entry, emptyEntry('data'));
    entry.physical = physical;
    entry.length = blockcount * mp.blockSize;
    entry.owner = 'free';
    if (!reporter.show()) return;
  }
}

/** An external log is one mapping. */
function mapLog(mp: XfsMount, range: FsmapRange, visit: (entry: FsmapEntry) => boolean): void {
  const length = mp.logBlocks * mp.blockSize;
  if (mp.logDevice === mp.device || range.start >= mp.blockSize) return;
  visit({ ...emptyEntry('log'), length, owner: 'log' });
}

/** The realtime section: what its bitmap calls free, and gaps of unknown owner. */
function mapRealtime(mp: XfsMount, range: FsmapRange, visit: (entry: FsmapEntry) => boolean): void {
  const unit = mp.rtExtSize * mp.blockSize;
  const end = mp.sb.rextents * unit;
  const start = range.start - (range.start % SECTOR);
  if (start >= end) return;
  const lastByte = Math.min(end, range.end - (range.end % SECTOR) + SECTOR) - 1;
  const reporter = new Reporter('realtime', start, 'unknown', visit);
  for (const free of freeRealtime(mp, Math.floor(start / unit), Math.floor(lastByte / unit))) {
    if (!reporter.gap(free.start * unit)) return;
    const { entry } = reporter;
    Object.assign(entry, emptyEntry('realtime'));
    entry.physical = free.start * unit;
    entry.length = free.count * unit;
    entry.owner = 'free';
    if (!reporter.show()) return;
  }
  reporter.gap(lastByte + 1);
}
