/**
 * Replaying logged inodes, new inode chunks and quota records onto their blocks. Mirrors xfs_inode_item_recover.c,
 * xfs_icreate_item.c, xfs_dquot_item_recover.c.
 */
import { crc32cSkipping } from '../../../../core/checksum.ts';
import { corrupt, FsError } from '../../../../core/errors.ts';
import { readLe64 } from '../../../../core/struct.ts';
import type { XfsMount } from '../../mount.ts';
import { DINODE_MAGIC, DINODE_V2_SIZE, DINODE_V3_SIZE, DiFlag2, Dinode } from '../../structure/dinode.ts';
import { DISK_DQUOT_SIZE, Dquot } from '../../structure/dquot.ts';
import { sealDquot } from '../../verify/dquot.ts';
import { CORE_V2_SIZE, swapCore } from '../inode-core-swap.ts';
import { BB, Ilog } from '../log-format.ts';
import { type RecoveredItem, u16, u32 } from './transactions.ts';

const DATA_FORK = Ilog.DDATA | Ilog.DEXT | Ilog.DBROOT;
const ATTR_FORK = Ilog.ADATA | Ilog.AEXT | Ilog.ABROOT;
const DI_MAX_FLUSH = 0xffff;
const LONG_HEADER_V4 = 24;
const LONG_HEADER_V5 = 72;

/** Where a logged inode lies and what of it is logged. */
export interface InodeFormat {
  readonly ino: number;
  readonly fields: number;
  readonly rdev: number;
  /** Device bytes of the inode buffer, and the inode's offset in it. */
  readonly addr: number;
  readonly length: number;
  readonly base: number;
}

/** Decodes the format structure of an inode item, of 64-bit and of old 32-bit machines. @throws FsError EUCLEAN */
export function readInodeFormat(region: Uint8Array): InodeFormat {
  if (region.length !== 56 && region.length !== 52) throw damaged(0, `format structure of ${region.length} bytes`);
  const view = new DataView(region.buffer, region.byteOffset, region.length);
  const pad = region.length === 56 ? 0 : -4;
  return {
    ino: readLe64(view, 16 + pad),
    fields: u32(region, 4),
    rdev: u32(region, 24 + pad),
    addr: readLe64(view, 40 + pad) * BB,
    length: u32(region, 48 + pad) * BB,
    base: u32(region, 52 + pad),
  };
}

/**
 * Puts a logged inode over the bytes of the inode on disk; false if that one is newer.
 * @throws FsError EUCLEAN
 */
export function replayInode(
  mp: XfsMount,
  format: InodeFormat,
  item: RecoveredItem,
  bytes: Uint8Array,
  lsn: bigint,
): boolean {
  const { ino } = format;
  const base = 0;
  const size = mp.inodeSize;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (format.base % size !== 0 || format.base + size > format.length)
    throw damaged(ino, `offset ${format.base} in its buffer`);
  if (Dinode.get.magic(view, base) !== DINODE_MAGIC) throw damaged(ino, 'no inode where the log says one is');
  const logged = item.regions[1];
  const v3 = mp.features.v5;
  if (logged === undefined || u16(logged, 0) !== DINODE_MAGIC) throw damaged(ino, 'magic of the logged core');
  if (logged.length !== (v3 ? DINODE_V3_SIZE : CORE_V2_SIZE)) throw damaged(ino, `core of ${logged.length} bytes`);
  if (isNewer(view, base, logged, v3, lsn)) return false;
  const core = diskCore(logged, v3);
  applyCore(bytes, view, base, core, v3, lsn);
  applyForks(mp, format, item, bytes, view);
  if (v3) Dinode.set.crc(view, base, crc32cSkipping(bytes.subarray(base, base + size), Dinode.at.crc));
  return true;
}

/** v3 inodes say by their LSN whether they are newer than the log, older ones by the count of their flushes. */
function isNewer(view: DataView, base: number, logged: Uint8Array, v3: boolean, lsn: bigint): boolean {
  if (v3) {
    const own = view.getBigUint64(base + Dinode.at.lsn);
    return own !== 0xffffffffffffffffn && own > lsn;
  }
  const own = Dinode.get.flushiter(view, base);
  const flushes = u16(logged, Dinode.at.flushiter);
  const wrapped = own === DI_MAX_FLUSH && flushes < DI_MAX_FLUSH >> 1;
  return flushes < own && !wrapped;
}

function diskCore(logged: Uint8Array, v3: boolean): Uint8Array {
  const flags2 = v3 ? u32(logged, Dinode.at.flags2) : 0;
  const core = Uint8Array.from(logged);
  swapCore(core, { v3, large: (flags2 & DiFlag2.NREXT64) !== 0, bigtime: (flags2 & DiFlag2.BIGTIME) !== 0 });
  return core;
}

function applyCore(bytes: Uint8Array, view: DataView, base: number, core: Uint8Array, v3: boolean, lsn: bigint): void {
  const at = Dinode.at;
  const metadata = v3 && (core[at.flags2] as number) >= 0x80;
  bytes.set(core.subarray(0, CORE_V2_SIZE), base);
  if (!metadata) Dinode.set.onlink(view, base, 0);
  if (!v3) {
    bytes.fill(0, base + at.v2_pad, base + at.atime);
    return;
  }
  const large = ((core[at.flags2 + 7] as number) & DiFlag2.NREXT64) !== 0;
  if (!large) bytes.fill(0, base + at.v2_pad, base + at.atime);
  // next_unlinked is not the inode item's; crc and lsn are ours.
  bytes.set(core.subarray(at.changecount, at.lsn), base + at.changecount);
  bytes.set(core.subarray(at.flags2, at.pad2), base + at.flags2);
  bytes.fill(0, base + at.pad2, base + at.crtime);
  bytes.set(core.subarray(at.crtime, DINODE_V3_SIZE), base + at.crtime);
  Dinode.set.lsn(view, base, lsn);
}

function applyForks(mp: XfsMount, format: InodeFormat, item: RecoveredItem, bytes: Uint8Array, view: DataView): void {
  const { fields, ino } = format;
  const start = mp.features.v5 ? DINODE_V3_SIZE : DINODE_V2_SIZE;
  const end = mp.inodeSize;
  const forkoff = Dinode.get.forkoff(view, 0) * 8;
  if (start + forkoff > end) throw damaged(ino, `forkoff ${forkoff / 8}`);
  const attr = forkoff === 0 ? end : start + forkoff;
  if ((fields & Ilog.DEV) !== 0) view.setUint32(start, format.rdev);
  let region = 2;
  if ((fields & DATA_FORK) !== 0) {
    applyFork(mp, ino, item.regions[region++], bytes, start, attr, (fields & Ilog.DBROOT) !== 0);
  }
  if ((fields & ATTR_FORK) !== 0) {
    applyFork(mp, ino, item.regions[region], bytes, attr, end, (fields & Ilog.ABROOT) !== 0);
  }
}

function applyFork(
  mp: XfsMount,
  ino: number,
  region: Uint8Array | undefined,
  bytes: Uint8Array,
  start: number,
  end: number,
  root: boolean,
): void {
  if (region === undefined) throw damaged(ino, 'a fork is missing in the log');
  if (!root) {
    if (region.length > end - start) throw damaged(ino, `fork of ${region.length} bytes in ${end - start}`);
    bytes.set(region, start);
    return;
  }
  const header = mp.features.v5 ? LONG_HEADER_V5 : LONG_HEADER_V4;
  const view = new DataView(region.buffer, region.byteOffset, region.length);
  const magic = region.length < header ? '' : Buffer.from(region.subarray(0, 4)).toString('latin1');
  if (magic !== 'BMAP' && magic !== 'BMA3') {
    throw new FsError('EOPNOTSUPP', { detail: `inode ${ino}: the log holds the root of a realtime tree (${magic})` });
  }
  const count = view.getUint16(6);
  const logged = Math.floor((region.length - header) / 16);
  const most = Math.floor((end - start - 4) / 16);
  if (count > logged || count > most) throw damaged(ino, `btree root of ${count} records`);
  bytes.set(region.subarray(4, 8), start);
  bytes.set(region.subarray(header, header + 8 * count), start + 4);
  const pointers = header + 8 * logged;
  bytes.set(region.subarray(pointers, pointers + 8 * count), start + 4 + 8 * most);
}

/** A run of new inodes, as logged. */
export interface IcreateFormat {
  readonly agno: number;
  readonly agbno: number;
  readonly count: number;
  /** In blocks. */
  readonly length: number;
  readonly gen: number;
}

/** Decodes and checks a logged run of new inodes. @throws FsError EUCLEAN */
export function readIcreate(mp: XfsMount, region: Uint8Array): IcreateFormat {
  const view = new DataView(region.buffer, region.byteOffset, region.length);
  if (region.length < 28) throw damaged(0, 'new inodes: too short');
  const [agno, agbno, count, isize, length, gen] = [4, 8, 12, 16, 20, 24].map((at) => view.getUint32(at)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const fits = agno < mp.agCount && agbno > 0 && agbno + length <= mp.agSize(agno);
  if (!fits || isize !== mp.inodeSize || length === 0 || count !== length * mp.inodesPerBlock) {
    throw corrupt({
      structure: 'log icreate item',
      value: `${agno}/${agbno}+${length}`,
      rule: 'does not fit the image',
    });
  }
  return { agno, agbno, count, length, gen };
}

/** Fills `bytes`, whole blocks of new inodes from `agbno` on, as Linux initialises a chunk. */
export function initInodes(mp: XfsMount, icreate: IcreateFormat, agbno: number, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const v3 = mp.features.v5;
  bytes.fill(0);
  const first = mp.agInoToIno(icreate.agno, agbno * mp.inodesPerBlock);
  for (let base = 0, ino = first; base < bytes.length; base += mp.inodeSize, ino++) {
    Dinode.set.magic(view, base, DINODE_MAGIC);
    Dinode.set.version(view, base, v3 ? 3 : 2);
    Dinode.set.gen(view, base, icreate.gen);
    Dinode.set.next_unlinked(view, base, 0xffffffff);
    if (!v3) continue;
    Dinode.set.ino(view, base, ino);
    Dinode.set.uuid(view, base, mp.uuid);
    Dinode.set.crc(view, base, crc32cSkipping(bytes.subarray(base, base + mp.inodeSize), Dinode.at.crc));
  }
}

/** Where a logged quota record lies. */
export function readDquotFormat(mp: XfsMount, region: Uint8Array): { addr: number; length: number; base: number } {
  if (region.length < 24) throw damaged(0, 'quota record: format structure too short');
  const view = new DataView(region.buffer, region.byteOffset, region.length);
  return { addr: readLe64(view, 8) * BB, length: mp.blockSize * u32(region, 16), base: u32(region, 20) };
}

/** Puts a logged quota record into the bytes of its block; false if the one on disk is newer. */
export function replayDquot(mp: XfsMount, base: number, region: Uint8Array, bytes: Uint8Array, lsn: bigint): boolean {
  if (region.length < DISK_DQUOT_SIZE || base + Dquot.size > bytes.length) throw damaged(0, 'quota record: size');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (mp.features.v5) {
    const own = Dquot.get.lsn(view, base);
    if (own !== 0n && own !== 0xffffffffffffffffn && own >= lsn) return false;
  }
  bytes.set(region.subarray(0, Math.min(region.length, Dquot.size)), base);
  if (mp.features.v5) sealDquot(bytes, view, base, lsn);
  return true;
}

function damaged(ino: number, rule: string): Error {
  return corrupt({ structure: ino === 0 ? 'log item' : `log item of inode ${ino}`, rule });
}
