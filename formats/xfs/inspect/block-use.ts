/**
 * What a block is used for, and by which inode: the answer of xfs_db's blockuse, without its scan of the whole image
 * where a look will do. Free space, free list, log and inode chunks answer from their own trees, btree blocks by
 * being found on the way to their own first key, the rest from the reverse map, or from each inode's extents.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { FsError } from '../../../core/errors.ts';
import { findShared } from '../alloc/refcount.ts';
import { forkLookup } from '../bmap-fork.ts';
import { bmbtCursor } from '../btree/bmbt.ts';
import type { BtreeCursor } from '../btree/cursor.ts';
import { bnobtCursor, cntbtCursor } from '../btree/free-space.ts';
import { finobtCursor, inobtCursor } from '../btree/inode.ts';
import { visitOverlap } from '../btree/overlap.ts';
import { cowKey, refcountbtCursor } from '../btree/refcount.ts';
import { type Rmap, rmapbtCursor } from '../btree/rmap.ts';
import { Extent } from '../extent.ts';
import type { ForkKind, XfsInode } from '../inode.ts';
import type { XfsMount } from '../mount.ts';
import { INODES_PER_CHUNK, RmapOwner } from '../structure/btree-format.ts';
import { freeExtents } from './free-extents.ts';
import { allocatedInodes } from './inode-walk.ts';

/** The type as xfs_db names it, and the inode that has the block, if one has. */
export interface BlockUse {
  readonly type: string;
  readonly ino: number | null;
}

// biome-ignore lint/suspicious/noExplicitAny: a look at trees of every kind
type AnyCursor = BtreeCursor<any, any>;

/** @throws FsError EINVAL for a block outside the AG, EUCLEAN, EIO */
export function blockUse(mp: XfsMount, agno: number, agbno: number): BlockUse {
  if (agno >= mp.agCount || agbno >= mp.agSize(agno))
    throw new FsError('EINVAL', { detail: `block ${agno}/${agbno} does not exist` });
  const type = headerUse(mp, agbno) ?? plainUse(mp, agno, agbno) ?? treeUse(mp, agno, agbno);
  if (type !== null) return { type, ino: null };
  const owned = mp.features.rmapbt ? rmapUse(mp, agno, agbno) : inodesUse(mp, mp.agbToFsb(agno, agbno));
  return owned ?? { type: 'unknown', ino: null };
}

function headerUse(mp: XfsMount, agbno: number): string | null {
  const names = ['sb', 'agf', 'agi', 'agfl'];
  for (let i = 0; i < names.length; i++)
    if (Math.floor((i * mp.sectorSize) / mp.blockSize) === agbno) return names[i] as string;
  return null;
}

/** Uses that no owner has. */
function plainUse(mp: XfsMount, agno: number, agbno: number): string | null {
  const fsb = mp.agbToFsb(agno, agbno);
  if (mp.logStart > 0 && fsb >= mp.logStart && fsb < mp.logStart + mp.logBlocks) return 'log';
  const bno = bnobtCursor(mp, agno);
  if (bno.lookup(agbno, 'le')) {
    const { startblock, blockcount } = bno.get();
    if (agbno < startblock + blockcount) return 'free2';
  }
  if (inFreelist(mp, agno, agbno)) return 'freelist';
  const chunk = inobtCursor(mp, agno);
  const agino = agbno * mp.inodesPerBlock;
  if (chunk.lookup(agino, 'le')) {
    const { startino, holemask } = chunk.get();
    const index = agino - startino;
    if (index < INODES_PER_CHUNK && ((holemask >>> (index >> 2)) & 1) === 0) return 'inode';
  }
  if (!mp.features.reflink) return null;
  const staged = refcountbtCursor(mp, agno);
  if (!staged.lookup(cowKey(agbno), 'le')) return null;
  const { cow, startblock, blockcount } = staged.get();
  return cow && agbno < startblock + blockcount ? 'cowdata' : null;
}

function inFreelist(mp: XfsMount, agno: number, agbno: number): boolean {
  let found = false;
  freeExtents(mp, agno, false, (block, length) => {
    if (length === 1 && block === agbno) found = true;
  });
  return found;
}

/** The AG btree that has the block, if one has. */
function treeUse(mp: XfsMount, agno: number, agbno: number): string | null {
  const { finobt, rmapbt, reflink } = mp.features;
  const trees: [string, boolean, () => AnyCursor][] = [
    ['btbno', true, () => bnobtCursor(mp, agno)],
    ['btcnt', true, () => cntbtCursor(mp, agno)],
    ['btino', true, () => inobtCursor(mp, agno)],
    ['btfino', finobt, () => finobtCursor(mp, agno)],
    ['btrmap', rmapbt, () => rmapbtCursor(mp, agno)],
    ['btrefcnt', reflink, () => refcountbtCursor(mp, agno)],
  ];
  for (const [type, present, open] of trees) if (present && onPath(open(), mp.agbToAddr(agno, agbno))) return type;
  return null;
}

/** True if the block at `addr` is a block of the tree: the way to its first key leads through it. */
function onPath(cursor: AnyCursor, addr: number): boolean {
  const { mp, kind } = cursor;
  let buf: Buf;
  try {
    buf = mp.cache.get(addr, mp.blockSize, mp.ops[kind.name]);
  } catch (error) {
    // Not a block of this kind, which is an answer; the cache keeps what it was.
    if (error instanceof FsError && error.code === 'EUCLEAN') return false;
    throw error;
  }
  const level = buf.view.getUint16(4);
  cursor.readRoot();
  if (level >= cursor.levels) return false;
  if (buf.view.getUint16(6) === 0 || level === cursor.levels - 1) return cursor.bufs[level] === buf;
  if (level === 0) {
    const record = kind.createRecord();
    kind.decode(buf.view, cursor.headerSize, record);
    kind.setKeyOfRecord(cursor, record);
    cursor.seek('le');
  } else {
    // The first leaf below has the first key.
    let child = buf;
    for (let below = level - 1; below >= 0; below--) {
      const pointer = cursor.readPointer(child, cursor.headerSize + cursor.maxNodeRecords * cursor.nodeKeySize);
      child = cursor.readBlock(pointer, below);
    }
    const record = kind.createRecord();
    kind.decode(child.view, cursor.headerSize, record);
    kind.setKeyOfRecord(cursor, record);
    cursor.seek('le');
  }
  return cursor.bufs[level]?.addr === addr;
}

function rmapUse(mp: XfsMount, agno: number, agbno: number): BlockUse | null {
  let found: Rmap | null = null;
  visitOverlap(rmapbtCursor(mp, agno), agbno, agbno, (record) => {
    found = { ...record };
    return false;
  });
  const rmap = found as Rmap | null;
  if (rmap === null) return null;
  if (rmap.owner < 0) return { type: SPECIAL[rmap.owner] ?? 'unknown', ino: null };
  const fork = rmap.attrFork ? 'attr' : 'data';
  if (rmap.bmbtBlock) return { type: fork === 'attr' ? 'btbmapa' : 'btbmapd', ino: rmap.owner };
  return { type: forkType(mp.inodes.get(rmap.owner), fork, mp.agbToFsb(agno, agbno)), ino: rmap.owner };
}

const SPECIAL: Readonly<Record<number, string>> = {
  [RmapOwner.FS]: 'sb',
  [RmapOwner.LOG]: 'log',
  [RmapOwner.AG]: 'freelist',
  [RmapOwner.INOBT]: 'btino',
  [RmapOwner.INODES]: 'inode',
  [RmapOwner.REFC]: 'btrefcnt',
  [RmapOwner.COW]: 'cowdata',
};

function forkType(ip: XfsInode, fork: ForkKind, fsb: number): string {
  const { mp } = ip;
  const { sb } = mp;
  if (fork === 'attr') return 'attr';
  if (ip.kind === 'dir') return 'dir';
  if (ip.kind === 'symlink') return 'symlink';
  if (ip.ino === sb.rbmino) return 'rtbitmap';
  if (ip.ino === sb.rsumino) return 'rtsum';
  if (ip.ino === sb.uquotino || ip.ino === sb.gquotino || ip.ino === sb.pquotino) return 'quota';
  const shared = findShared(mp, mp.fsbToAgno(fsb), mp.fsbToAgbno(fsb), 1) !== null;
  return shared ? 'rldata' : 'data';
}

/** Asks every inode. */
function inodesUse(mp: XfsMount, fsb: number): BlockUse | null {
  let found: BlockUse | null = null;
  allocatedInodes(mp, 0, (ino) => {
    const ip = mp.inodes.get(ino);
    const type = forkUse(ip, 'data', fsb) ?? (ip.hasAttrFork ? forkUse(ip, 'attr', fsb) : null);
    if (type !== null) found = { type, ino };
    return found === null;
  });
  return found;
}

function forkUse(ip: XfsInode, fork: ForkKind, fsb: number): string | null {
  const { format } = fork === 'data' ? ip.dataFork : ip.attrFork;
  if ((format !== 'extents' && format !== 'btree') || (fork === 'data' && ip.realtime)) return null;
  if (format === 'btree' && onPath(bmbtCursor(ip, fork), ip.mp.fsbToAddr(fsb)))
    return fork === 'attr' ? 'btbmapa' : 'btbmapd';
  const extent = new Extent();
  for (let off = 0; forkLookup(ip, fork, off, extent); off = extent.end)
    if (fsb >= extent.block && fsb < extent.block + extent.count) return forkType(ip, fork, fsb);
  return null;
}
