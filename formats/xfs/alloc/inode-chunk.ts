/**
 * Inode chunks: 64 inodes that share one record of the inode btree. A new chunk goes right behind the last one, else
 * anywhere aligned; where no aligned run is left, a sparse chunk of one cluster fills a part of an aligned record. Its
 * inodes are initialised through the log by one icreate item (v5) or as whole buffers (v4).
 * Mirrors xfs_ialloc_ag_alloc, xfs_ialloc_inode_init, xfs_difree_inode_chunk.
 */
import { corrupt } from '../../../core/errors.ts';
import { retire } from '../btree/ag-cursor.ts';
import { finobtCursor, holeBits, type InodeChunk, inobtCursor } from '../btree/inode.ts';
import type { XfsMount } from '../mount.ts';
import { Agi, NULLAGINO } from '../structure/ag.ts';
import { INODES_PER_CHUNK, INODES_PER_HOLEMASK_BIT } from '../structure/btree-format.ts';
import { DINODE_MAGIC, Dinode } from '../structure/dinode.ts';
import type { Trans } from '../trans.ts';
import { btreeMaxRecords } from '../verify/btree.ts';
import { type Allocated, type AllocRequest, allocExtent } from './alloc.ts';
import { freeExtent } from './free.ts';

const OWNER = { special: 'inodes' } as const;
const ALL_HOLES = 0xffff;

/** Blocks of the smallest piece of a chunk that can be allocated. */
export function leastChunkBlocks(mp: XfsMount): number {
  return mp.features.sparseInodes && mp.sb.spino_align > 0 ? mp.sb.spino_align : mp.blocksPerAlloc;
}

/** The most inodes that the image may have, 0 for no limit. */
export function maxInodes(mp: XfsMount): number {
  const { imax_pct, dblocks } = mp.sb;
  if (imax_pct === 0) return 0;
  const chunks = Math.floor(Math.floor((dblocks * imax_pct) / 100) / mp.blocksPerAlloc);
  return chunks * mp.blocksPerAlloc * mp.inodesPerBlock;
}

/** Adds a chunk to the AG. False if it has no room. @throws FsError EUCLEAN, EIO */
export function allocChunk(tp: Trans, agno: number): boolean {
  const { mp } = tp;
  const full = findFullChunk(tp, agno);
  if (full !== null) {
    const first = mp.fsbToAgbno(full.fsb) * mp.inodesPerBlock;
    initInodes(tp, agno, full);
    for (let ino = first; ino < first + mp.inodesPerAlloc; ino += INODES_PER_CHUNK) insertFull(tp, agno, ino);
    countNewInodes(tp, agno, first, mp.inodesPerAlloc);
    return true;
  }
  const part = findSparseChunk(tp, agno);
  if (part === null) return false;
  initInodes(tp, agno, part);
  const startino = insertSparse(tp, agno, part);
  countNewInodes(tp, agno, startino, part.length * mp.inodesPerBlock);
  return true;
}

function findFullChunk(tp: Trans, agno: number): Allocated | null {
  const { mp } = tp;
  const agi = mp.agi(agno);
  const length = mp.blocksPerAlloc;
  const request: AllocRequest = {
    minLength: length,
    maxLength: length,
    owner: OWNER,
    data: false,
    leave: inobtHeight(mp),
  };
  const last = Agi.get.newino(agi.view, 0);
  const behind = Math.floor(last / mp.inodesPerBlock) + length;
  if (last !== NULLAGINO && behind < mp.agSize(agno)) {
    const target = mp.agbToFsb(agno, behind);
    const found = allocExtent(tp, { ...request, mode: 'exact', target, slop: mp.clusterAlign - 1 });
    if (found !== null) return found;
  }
  const target = mp.agbToFsb(agno, Agi.get.root(agi.view, 0));
  const stripe = mp.sb.unit;
  if (stripe > 0 && mp.clusterAlign > 1 && stripe % mp.clusterAlign === 0) {
    const found = allocExtent(tp, { ...request, mode: 'near', target, alignment: stripe });
    if (found !== null) return found;
  }
  return allocExtent(tp, { ...request, mode: 'near', target, alignment: mp.clusterAlign });
}

function findSparseChunk(tp: Trans, agno: number): Allocated | null {
  const { mp } = tp;
  const length = leastChunkBlocks(mp);
  if (length >= mp.blocksPerAlloc) return null;
  const align = mp.sb.inoalignmt;
  const size = mp.agSize(agno);
  return allocExtent(tp, {
    mode: 'near',
    target: mp.agbToFsb(agno, Agi.get.root(mp.agi(agno).view, 0)),
    minLength: length,
    maxLength: length,
    alignment: length,
    owner: OWNER,
    data: false,
    leave: inobtHeight(mp),
    // A record covers a whole aligned chunk: none may start in the AG headers or end beyond the AG.
    lowest: align,
    highest: size - (size % align) - 1,
  });
}

/** The greatest height of an inode btree: the blocks that one insertion may take. */
export function inobtHeight(mp: XfsMount): number {
  const leaf = btreeMaxRecords(mp, 'inobt', true) >> 1;
  const node = btreeMaxRecords(mp, 'inobt', false) >> 1;
  let blocks = Math.ceil(2 ** mp.aginoLog / INODES_PER_CHUNK / leaf);
  let height = 1;
  for (; blocks > 1; height++) blocks = Math.ceil(blocks / node);
  return height;
}

/** Fills the clusters of new blocks with free inodes. */
function initInodes(tp: Trans, agno: number, blocks: Allocated): void {
  const { mp } = tp;
  const agbno = mp.fsbToAgbno(blocks.fsb);
  const gen = Math.floor(mp.options.random() * 0x1_0000_0000) >>> 0;
  const v5 = mp.features.v5;
  const count = blocks.length * mp.inodesPerBlock;
  tp.icreate(agno, agbno, count, mp.inodeSize, blocks.length, gen);
  let ino = mp.agInoToIno(agno, agbno * mp.inodesPerBlock);
  for (let at = 0; at < blocks.length; at += mp.blocksPerCluster) {
    const buf = mp.cache.init(mp.agbToAddr(agno, agbno + at), mp.inodeClusterSize, mp.ops.inode);
    tp.init(buf);
    for (let base = 0; base < buf.length; base += mp.inodeSize, ino++) {
      Dinode.set.magic(buf.view, base, DINODE_MAGIC);
      Dinode.set.version(buf.view, base, v5 ? 3 : 2);
      Dinode.set.gen(buf.view, base, gen);
      Dinode.set.next_unlinked(buf.view, base, NULLAGINO);
      if (!v5) continue;
      Dinode.set.ino(buf.view, base, ino);
      Dinode.set.uuid(buf.view, base, mp.uuid);
    }
  }
}

function insertFull(tp: Trans, agno: number, startino: number): void {
  const record: InodeChunk = {
    startino,
    holemask: 0,
    count: INODES_PER_CHUNK,
    freecount: INODES_PER_CHUNK,
    freeLow: 0xffffffff,
    freeHigh: 0xffffffff,
  };
  const all = inobtCursor(tp.mp, agno, tp);
  all.insert(record);
  retire(all);
  if (!tp.mp.features.finobt) return;
  const free = finobtCursor(tp.mp, agno, tp);
  free.insert(record);
  retire(free);
}

/** Enters a part of a chunk into its aligned record, new or there already; answers the record's first inode. */
function insertSparse(tp: Trans, agno: number, part: Allocated): number {
  const { mp } = tp;
  const agbno = mp.fsbToAgbno(part.fsb);
  const into = agbno % mp.sb.inoalignmt;
  const bits = (part.length * mp.inodesPerBlock) / INODES_PER_HOLEMASK_BIT;
  const present = ((1 << bits) - 1) << ((into * mp.inodesPerBlock) / INODES_PER_HOLEMASK_BIT);
  const startino = (agbno - into) * mp.inodesPerBlock;
  const count = part.length * mp.inodesPerBlock;
  let record: InodeChunk = {
    startino,
    holemask: ALL_HOLES & ~present,
    count,
    freecount: count,
    freeLow: 0xffffffff,
    freeHigh: 0xffffffff,
  };
  const all = inobtCursor(mp, agno, tp);
  if (all.lookup(startino, 'eq')) {
    record = merge(all.get(), record, agno);
    all.update(record);
  } else {
    all.insert(record);
  }
  retire(all);
  if (!mp.features.finobt) return startino;
  const free = finobtCursor(mp, agno, tp);
  if (free.lookup(startino, 'eq')) free.update(record);
  else free.insert(record);
  retire(free);
  return startino;
}

function merge(old: InodeChunk, part: InodeChunk, agno: number): InodeChunk {
  // Inodes present in both would be inodes whose blocks were free a moment ago.
  if ((~old.holemask & ~part.holemask & ALL_HOLES) !== 0)
    throw corrupt({
      structure: `inobt of AG ${agno}`,
      rule: `chunk ${old.startino} has inodes in blocks that were free`,
    });
  return {
    startino: old.startino,
    holemask: old.holemask & part.holemask,
    count: old.count + part.count,
    freecount: old.freecount + part.freecount,
    freeLow: (old.freeLow & part.freeLow) >>> 0,
    freeHigh: (old.freeHigh & part.freeHigh) >>> 0,
  };
}

function countNewInodes(tp: Trans, agno: number, first: number, count: number): void {
  const agi = tp.mp.agi(agno);
  addAgi(tp, agno, 'count', count);
  addAgi(tp, agno, 'freecount', count);
  tp.modify(agi, Agi.at.newino, 4);
  Agi.set.newino(agi.view, 0, first);
  tp.sbDelta({ icount: count, ifree: count });
}

/** Adds to a counter of the AGI. @throws FsError EUCLEAN below 0 */
export function addAgi(tp: Trans, agno: number, field: 'count' | 'freecount', change: number): void {
  const agi = tp.mp.agi(agno);
  const value = Agi.get[field](agi.view, 0) + change;
  if (value < 0)
    throw corrupt({
      structure: 'agi',
      addr: agi.addr,
      offset: Agi.at[field],
      field,
      value: String(value),
      rule: 'below 0',
    });
  tp.modify(agi, Agi.at[field], 4);
  Agi.set[field](agi.view, 0, value);
}

/** Frees the blocks of a chunk whose record is gone, and forgets its buffers. */
export function freeChunk(tp: Trans, agno: number, record: InodeChunk): void {
  const { mp } = tp;
  const start = record.startino / mp.inodesPerBlock;
  for (let at = 0; at < mp.blocksPerAlloc; at += mp.blocksPerCluster) {
    if (isHole(record, at * mp.inodesPerBlock)) continue;
    tp.binval(mp.cache.get(mp.agbToAddr(agno, start + at), mp.inodeClusterSize, mp.ops.inode));
  }
  for (let at = 0; at < mp.blocksPerAlloc; ) {
    let end = at;
    while (end < mp.blocksPerAlloc && !isHole(record, end * mp.inodesPerBlock)) end++;
    if (end > at) freeExtent(tp, mp.agbToFsb(agno, start + at), end - at, OWNER);
    at = end + 1;
  }
}

/** True if inode `index` of the chunk does not exist. */
export function isHole(record: InodeChunk, index: number): boolean {
  const bits = holeBits(record.holemask, index < 32 ? 0 : 1);
  return ((bits >>> (index & 31)) & 1) === 1;
}
