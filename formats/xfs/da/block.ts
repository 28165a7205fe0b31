/**
 * Blocks of a directory or of an attribute tree by their place in the fork: reading, adding, freeing. A block of a
 * directory may be several file system blocks, which need not be neighbours on the device.
 *
 * Hints: where no hole lies before, per inode and space. A wrong hint costs a hole, never a block: the fork decides.
 */
import type { Buf, BufMap, BufOps } from '../../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../../core/errors.ts';
import { readBe64, writeBe64 } from '../../../core/struct.ts';
import { allocExtent } from '../alloc/alloc.ts';
import { freeExtent } from '../alloc/free.ts';
import { refuseIfFrugal } from '../alloc/frugal.ts';
import { mapExtent, unmapExtent } from '../bmap-edit.ts';
import { forkBefore, forkLookup } from '../bmap-fork.ts';
import type { BtreeFork } from '../btree/cursor.ts';
import type { DaGeometry } from '../dir/geometry.ts';
import { Extent } from '../extent.ts';
import type { XfsInode } from '../inode.ts';
import { Da3Blkinfo, DaBlkinfo } from '../structure/da.ts';
import { Dir3DataHeader } from '../structure/dir.ts';
import type { Trans } from '../trans.ts';
import { recentBlocks } from './recent.ts';

const found = new Extent();
const piece = new Extent();

/** 16-bit magic of a tree block. */
export function daMagic(buf: Buf): number {
  return buf.view.getUint16(DaBlkinfo.at.magic);
}

/** The tree block at file block `block`. @throws FsError EUCLEAN if nothing is mapped there or it is not this inode's */
export function daRead(ip: XfsInode, fork: BtreeFork, geo: DaGeometry, block: number, ops: BufOps): Buf {
  const recent = recentBlocks(ip);
  const known = recent.find(fork, block, ops);
  if (known !== null) return known;
  const buf = mapped(ip, fork, geo, block, ops);
  if (buf === null) throw hole(ip, fork, block);
  if (geo.v5) checkOwner(ip, buf, Da3Blkinfo.at.owner);
  recent.note(fork, block, buf);
  return buf;
}

/** As daRead, for blocks of entries and of the free-space index, whose headers differ. */
export function dirRead(ip: XfsInode, geo: DaGeometry, block: number, ops: BufOps): Buf {
  const buf = dirTryRead(ip, geo, block, ops);
  if (buf === null) throw hole(ip, 'data', block);
  return buf;
}

/** As dirRead; null if nothing is mapped there. */
export function dirTryRead(ip: XfsInode, geo: DaGeometry, block: number, ops: BufOps): Buf | null {
  const recent = recentBlocks(ip);
  const known = recent.find('data', block, ops);
  if (known !== null) return known;
  const buf = mapped(ip, 'data', geo, block, ops);
  if (buf === null) return null;
  if (geo.v5) checkOwner(ip, buf, Dir3DataHeader.at.owner);
  recent.note('data', block, buf);
  return buf;
}

/** Where the last extent of a data fork ends, in blocks; 0 if it has none. */
export function dataForkEnd(ip: XfsInode): number {
  const recent = recentBlocks(ip);
  if (recent.end < 0) recent.end = forkBefore(ip, 'data', Number.MAX_SAFE_INTEGER, found) ? found.end : 0;
  return recent.end;
}

function checkOwner(ip: XfsInode, buf: Buf, at: number): void {
  const owner = readBe64(buf.view, at);
  if (owner === ip.ino) return;
  throw corrupt({
    structure: `${buf.ops.name} of inode ${ip.ino}`,
    addr: buf.addr,
    offset: at,
    field: 'owner',
    value: String(owner),
    rule: 'belongs to another inode',
  });
}

function hole(ip: XfsInode, fork: BtreeFork, block: number): FsError {
  return corrupt({
    structure: `inode ${ip.ino}, ${fork} fork`,
    field: `file block ${block}`,
    rule: 'no block is mapped',
  });
}

function mapped(ip: XfsInode, fork: BtreeFork, geo: DaGeometry, block: number, ops: BufOps): Buf | null {
  const { mp } = ip;
  if (!forkLookup(ip, fork, block, found) || found.off > block || found.block < 0) return null;
  if (found.end >= block + geo.fsbCount) {
    return mp.cache.get(blockAddr(ip, found.block + (block - found.off), geo.fsbCount), geo.blockSize, ops);
  }
  const maps = mapsOf(ip, fork, geo, block);
  return maps === null ? null : mp.cache.getMaps(joinMaps(maps), ops);
}

function blockAddr(ip: XfsInode, fsb: number, count: number): number {
  if (!ip.mp.validFsb(fsb, count)) {
    throw corrupt({
      structure: `inode ${ip.ino}`,
      field: 'startblock',
      value: String(fsb),
      rule: 'outside the file system',
    });
  }
  return ip.mp.fsbToAddr(fsb);
}

/** The device extents of a block, or null if part of it is a hole. */
function mapsOf(ip: XfsInode, fork: BtreeFork, geo: DaGeometry, block: number): BufMap[] | null {
  const maps: BufMap[] = [];
  const end = block + geo.fsbCount;
  for (let at = block; at < end; ) {
    if (!forkLookup(ip, fork, at, found) || found.off > at || found.block < 0) return null;
    const count = Math.min(found.end, end) - at;
    maps.push({ addr: blockAddr(ip, found.block + (at - found.off), count), length: count * ip.mp.blockSize });
    at += count;
  }
  return maps;
}

const hints = new WeakMap<XfsInode, Map<number, number>>();

function hintsOf(ip: XfsInode): Map<number, number> {
  let map = hints.get(ip);
  if (map === undefined) {
    map = new Map();
    hints.set(ip, map);
  }
  return map;
}

const SPACE = 0x8_0000_0000;

/** Key of a space's hint: attribute forks have one space, directories three. */
function spaceKey(ip: XfsInode, fork: BtreeFork, block: number): number {
  return fork === 'attr' ? -1 : Math.floor((block * ip.mp.blockSize) / SPACE);
}

/** Maps new blocks to the first hole of the fork from `from` on and answers where. @throws FsError ENOSPC */
export function daGrow(tp: Trans, ip: XfsInode, fork: BtreeFork, geo: DaGeometry, from: number): number {
  const map = hintsOf(ip);
  const key = spaceKey(ip, fork, from);
  let block = Math.max(from, map.get(key) ?? from);
  while (forkLookup(ip, fork, block, found) && found.off < block + geo.fsbCount) {
    block += Math.ceil((found.end - block) / geo.fsbCount) * geo.fsbCount;
  }
  if (fork === 'data' && spaceKey(ip, fork, block) !== key)
    throw new FsError('ENOSPC', { detail: 'the directory is full' });
  map.set(key, block + geo.fsbCount);
  daMap(tp, ip, fork, block, geo.fsbCount);
  return block;
}

/** Allocates blocks near the fork's other ones and maps them at `block`: together, or in pieces where that is hard. */
export function daMap(tp: Trans, ip: XfsInode, fork: BtreeFork, block: number, count: number): void {
  let minimum = count;
  refuseIfFrugal(tp);
  tp.onAbort(() => ip.mappingsChanged());
  for (let at = block; at < block + count; ) {
    const rest = block + count - at;
    const got = allocExtent(tp, {
      target: targetFor(ip, fork, at),
      minLength: Math.min(minimum, rest),
      maxLength: rest,
      owner: 'skip',
      data: false,
    });
    if (got === null) {
      if (minimum === 1) throw new FsError('ENOSPC');
      minimum = 1;
      continue;
    }
    mapExtent(tp, ip, fork, piece.set(at, got.fsb, got.length, false));
    at += got.length;
  }
}

function targetFor(ip: XfsInode, fork: BtreeFork, block: number): number {
  const { mp } = ip;
  if (forkBefore(ip, fork, block, found) && found.block >= 0) {
    const next = found.block + found.count;
    if (mp.validFsb(next)) return next;
  }
  return mp.agbToFsb(mp.inoToAgno(ip.ino), mp.inoToAgbno(ip.ino));
}

/** Frees the block at file block `block`, whose buffer is `buf`. @throws FsError ENOSPC if the fork's btree must grow */
export function daShrink(tp: Trans, ip: XfsInode, fork: BtreeFork, geo: DaGeometry, block: number, buf: Buf): void {
  daUnmap(tp, ip, fork, block, geo.fsbCount);
  tp.binval(buf);
}

/** Takes file blocks out of the fork and frees what was mapped there. */
export function daUnmap(tp: Trans, ip: XfsInode, fork: BtreeFork, block: number, count: number): void {
  const map = hintsOf(ip);
  const key = spaceKey(ip, fork, block);
  map.set(key, Math.min(map.get(key) ?? 0, block));
  tp.onAbort(() => ip.mappingsChanged());
  for (let at = block; at < block + count; ) {
    if (!forkLookup(ip, fork, at, found) || found.off > at) throw hole(ip, fork, at);
    const length = Math.min(found.end, block + count) - at;
    const fsb = found.block + (at - found.off);
    unmapExtent(tp, ip, fork, at, length);
    freeExtent(tp, fsb, length, 'skip');
    at += length;
  }
}

/** A new, zeroed and wholly logged tree block with its header. */
export function daInit(
  tp: Trans,
  ip: XfsInode,
  fork: BtreeFork,
  geo: DaGeometry,
  block: number,
  magic: number,
  ops: BufOps,
): Buf {
  const buf = freshBuf(tp, ip, fork, geo, block, ops);
  buf.view.setUint16(DaBlkinfo.at.magic, magic);
  if (geo.v5) identify(ip, buf, Da3Blkinfo.at);
  return buf;
}

/** As daInit, for blocks of entries and of the free-space index. */
export function dirInit(tp: Trans, ip: XfsInode, geo: DaGeometry, block: number, magic: number, ops: BufOps): Buf {
  const buf = freshBuf(tp, ip, 'data', geo, block, ops);
  buf.view.setUint32(0, magic);
  if (geo.v5) identify(ip, buf, Dir3DataHeader.at);
  return buf;
}

function freshBuf(tp: Trans, ip: XfsInode, fork: BtreeFork, geo: DaGeometry, block: number, ops: BufOps): Buf {
  const maps = mapsOf(ip, fork, geo, block);
  if (maps === null) throw hole(ip, fork, block);
  const buf = ip.mp.cache.initMaps(joinMaps(maps), ops);
  tp.init(buf);
  return buf;
}

/** Neighbouring extents as one, so that a block has the same maps however it is found. */
function joinMaps(maps: readonly BufMap[]): BufMap[] {
  const out: BufMap[] = [];
  for (const map of maps) {
    const last = out[out.length - 1];
    if (last !== undefined && last.addr + last.length === map.addr) {
      out[out.length - 1] = { addr: last.addr, length: last.length + map.length };
    } else out.push(map);
  }
  return out;
}

function identify(ip: XfsInode, buf: Buf, at: { blkno: number; uuid: number; owner: number }): void {
  writeBe64(buf.view, at.blkno, buf.addr / 512);
  buf.bytes.set(ip.mp.uuid, at.uuid);
  writeBe64(buf.view, at.owner, ip.ino);
}

/** Copies a tree block onto another, which keeps its own address; it must be logged as a whole already. */
export function copyDaBlock(tp: Trans, geo: DaGeometry, target: Buf, source: Buf): void {
  target.bytes.set(source.bytes);
  if (geo.v5) writeBe64(target.view, Da3Blkinfo.at.blkno, target.addr / 512);
  setOps(tp, target, source.ops);
}

/** Turns a tree block into another kind: its magic and its verifier. */
export function setDaType(tp: Trans, _geo: DaGeometry, buf: Buf, magic: number, ops: BufOps): void {
  tp.modify(buf, DaBlkinfo.at.magic, 2);
  buf.view.setUint16(DaBlkinfo.at.magic, magic);
  setOps(tp, buf, ops);
}

/** As setDaType, for blocks with a 32-bit magic. */
export function setDirType(tp: Trans, buf: Buf, magic: number, ops: BufOps): void {
  tp.modify(buf, 0, 4);
  buf.view.setUint32(0, magic);
  setOps(tp, buf, ops);
}

function setOps(tp: Trans, buf: Buf, ops: BufOps): void {
  const { ops: oldOps, verifiedAs } = buf;
  if (oldOps === ops && verifiedAs === ops) return;
  tp.onAbort(() => {
    buf.ops = oldOps;
    buf.verifiedAs = verifiedAs;
  });
  buf.ops = ops;
  buf.verifiedAs = ops;
}
