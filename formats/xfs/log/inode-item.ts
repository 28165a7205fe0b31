/**
 * A changed inode as log regions: format structure, core in host byte order (little-endian), data fork, attribute
 * fork (kernel: xfs_inode_item.c). Extents and local forks are logged as they are on disk; the root of a bmap btree
 * is logged in the form it has in Linux's memory, a long-form block with just as many records as it holds.
 */
import { writeBe64, writeLe64 } from '../../../core/struct.ts';
import {
  DINODE_V2_SIZE,
  DINODE_V3_SIZE,
  DiFlag2,
  Dinode,
  DinodeLarge,
  dinodeFlags2,
  ForkFormat,
} from '../structure/dinode.ts';
import { type Icreate, INODE_ATTR, INODE_DATA, type LoggedInode } from './cil.ts';
import { CORE_V2_SIZE, copySwapped } from './inode-core-swap.ts';
import { BB, Ilog, LogItem } from './log-format.ts';

const FORMAT_SIZE = 56;
const BMAP_MAGIC = 0x424d4150;
const BMAP_CRC_MAGIC = 0x424d4133;
const LONG_HEADER_V4 = 24;
const LONG_HEADER_V5 = 72;

/** Appends the regions of one inode. `uuid` is what metadata carries. Returns how many items they are: 1. */
export function formatInode(item: LoggedInode, inodeSize: number, uuid: Uint8Array, regions: Uint8Array[]): number {
  const { view } = item.buf;
  const base = item.base;
  const v3 = view.getUint8(base + Dinode.at.version) >= 3;
  const coreSize = v3 ? DINODE_V3_SIZE : CORE_V2_SIZE;
  const room = takeRoom(FORMAT_SIZE + coreSize);
  const out = new DataView(slab.buffer, room, FORMAT_SIZE);
  const at = regions.length;
  regions.push(
    slab.subarray(room, room + FORMAT_SIZE),
    slab.subarray(room + FORMAT_SIZE, room + FORMAT_SIZE + coreSize),
  );
  writeCore(item, v3, coreSize, room + FORMAT_SIZE);
  let fields: number = Ilog.CORE;
  const start = v3 ? DINODE_V3_SIZE : DINODE_V2_SIZE;
  const forkoff = Dinode.get.forkoff(view, base) * 8;
  const end = forkoff === 0 ? inodeSize - start : forkoff;
  if ((item.fields & INODE_DATA) !== 0) {
    const format = Dinode.get.format(view, base);
    if (format === ForkFormat.DEV) {
      fields |= Ilog.DEV;
      out.setUint32(24, view.getUint32(base + start), true);
    } else {
      const fork = forkRegion(item, base + start, end, format, 'data', v3, uuid);
      if (fork !== null) {
        fields |= format === ForkFormat.LOCAL ? Ilog.DDATA : format === ForkFormat.EXTENTS ? Ilog.DEXT : Ilog.DBROOT;
        out.setUint16(10, fork.size, true);
        regions.push(fork.bytes);
      }
    }
  }
  if ((item.fields & INODE_ATTR) !== 0 && forkoff !== 0) {
    const format = Dinode.get.aformat(view, base);
    const fork = forkRegion(item, base + start + forkoff, inodeSize - start - forkoff, format, 'attr', v3, uuid);
    if (fork !== null) {
      fields |= format === ForkFormat.LOCAL ? Ilog.ADATA : format === ForkFormat.EXTENTS ? Ilog.AEXT : Ilog.ABROOT;
      out.setUint16(8, fork.size, true);
      regions.push(fork.bytes);
    }
  }
  out.setUint16(0, LogItem.INODE, true);
  out.setUint16(2, regions.length - at, true);
  out.setUint32(4, fields, true);
  writeLe64(out, 16, item.ino);
  writeLe64(out, 40, item.buf.addr / BB);
  out.setInt32(48, item.buf.length / BB, true);
  out.setInt32(52, base, true);
  return 1;
}

/** Appends the region of a run of new inodes (kernel: struct xfs_icreate_log; big-endian but for its first words). */
export function formatIcreate(item: Icreate, regions: Uint8Array[]): number {
  const region = new Uint8Array(28);
  const view = new DataView(region.buffer);
  view.setUint16(0, LogItem.ICREATE, true);
  view.setUint16(2, 1, true);
  view.setUint32(4, item.agno);
  view.setUint32(8, item.agbno);
  view.setUint32(12, item.count);
  view.setUint32(16, item.isize);
  view.setUint32(20, item.length);
  view.setUint32(24, item.gen);
  regions.push(region);
  return 1;
}

const SLAB = 64 * 1024;
let slab = new Uint8Array(0);
let slabUsed = 0;

/** Zeroed bytes of the slab, by their start: one allocation for the parts of many inodes. */
function takeRoom(length: number): number {
  if (slabUsed + length > slab.length) {
    slab = new Uint8Array(SLAB);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += (length + 7) & ~7;
  return start;
}

function writeCore(item: LoggedInode, v3: boolean, size: number, to: number): void {
  const { view, bytes } = item.buf;
  const flags2 = dinodeFlags2(view, item.base);
  const large = (flags2 & DiFlag2.NREXT64) !== 0;
  copySwapped(bytes, item.base, slab, to, size, { v3, large, bigtime: (flags2 & DiFlag2.BIGTIME) !== 0 });
}

interface ForkRegion {
  readonly bytes: Uint8Array;
  /** What the format structure says: bytes without padding. */
  readonly size: number;
}

function forkRegion(
  item: LoggedInode,
  start: number,
  space: number,
  format: number,
  fork: 'data' | 'attr',
  v3: boolean,
  uuid: Uint8Array,
): ForkRegion | null {
  const { view, bytes } = item.buf;
  if (format === ForkFormat.LOCAL) {
    const size = fork === 'data' ? Dinode.get.size(view, item.base) : view.getUint16(start);
    if (size === 0) return null;
    return { bytes: bytes.subarray(start, start + Math.min(space, (size + 3) & ~3)), size };
  }
  if (format === ForkFormat.EXTENTS) {
    const size = extentCount(view, item.base, fork) * 16;
    return size === 0 ? null : { bytes: bytes.subarray(start, start + size), size };
  }
  if (format === ForkFormat.BTREE) {
    const root = broot(view, start, space, v3 ? item.ino : null, uuid);
    return { bytes: root, size: root.length };
  }
  return null;
}

function extentCount(view: DataView, base: number, fork: 'data' | 'attr'): number {
  const large = (dinodeFlags2(view, base) & DiFlag2.NREXT64) !== 0;
  if (fork === 'data') return large ? DinodeLarge.get.big_nextents(view, base) : Dinode.get.nextents(view, base);
  return large ? DinodeLarge.get.big_anextents(view, base) : Dinode.get.anextents(view, base);
}

/** A btree root in the fork (level, numrecs, keys, pointers at the place for the most keys) as a long-form block. */
function broot(view: DataView, start: number, space: number, ino: number | null, uuid: Uint8Array): Uint8Array {
  const level = view.getUint16(start);
  const count = view.getUint16(start + 2);
  const most = Math.floor((space - 4) / 16);
  const header = ino === null ? LONG_HEADER_V4 : LONG_HEADER_V5;
  const block = new Uint8Array(header + count * 16);
  const out = new DataView(block.buffer);
  out.setUint32(0, ino === null ? BMAP_MAGIC : BMAP_CRC_MAGIC);
  out.setUint16(4, level);
  out.setUint16(6, count);
  block.fill(0xff, 8, 24);
  if (ino !== null) {
    block.fill(0xff, 24, 32);
    block.set(uuid, 40);
    writeBe64(out, 56, ino);
  }
  const source = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  block.set(source.subarray(start + 4, start + 4 + 8 * count), header);
  const pointers = start + 4 + 8 * most;
  block.set(source.subarray(pointers, pointers + 8 * count), header + 8 * count);
  return block;
}
