/**
 * Replaying logged buffers: copying the logged chunks over the block, unless the block on disk is already newer. Of
 * inode buffers only the unlinked pointers are taken, the rest comes from inode items. Mirrors xfs_buf_item_recover.c.
 */
import { type Buf, Buf as Buffered, type BufOps } from '../../../../core/buffer-cache.ts';
import { crc32cSkipping } from '../../../../core/checksum.ts';
import { corrupt } from '../../../../core/errors.ts';
import type { XfsMount } from '../../mount.ts';
import { Dinode } from '../../structure/dinode.ts';
import { Superblock } from '../../structure/sb.ts';
import { BLF_CHUNK, Blft, BufFlag } from '../log-format.ts';
import type { BufFormat, RecoveredItem } from './transactions.ts';

/** Byte offsets of LSN and uuid by magic number: what tells how new a block on disk is. */
const PLACES_32 = new Map<number, { lsn: number; uuid: number }>([
  // Short-form btrees: bnobt, cntbt, rmapbt, refcountbt, finobt, inobt.
  ...['AB3B', 'AB3C', 'RMB3', 'R3FC', 'FIB3', 'IAB3'].map((name) => [magic32(name), { lsn: 24, uuid: 32 }] as const),
  [magic32('BMA3'), { lsn: 32, uuid: 40 }],
  [magic32('MAPR'), { lsn: 32, uuid: 40 }],
  [magic32('XAGF'), { lsn: 208, uuid: 64 }],
  [magic32('XAFL'), { lsn: 24, uuid: 8 }],
  [magic32('XAGI'), { lsn: 320, uuid: 296 }],
  [magic32('XSLM'), { lsn: 48, uuid: 16 }],
  ...['XDB3', 'XDD3', 'XDF3'].map((name) => [magic32(name), { lsn: 16, uuid: 24 }] as const),
]);
/** Directory and attribute leaves and nodes have their magic at byte 8. */
const DA_MAGICS = new Set([0x3df1, 0x3dff, 0x3bee, 0x3ebe]);
const DA_PLACE = { lsn: 24, uuid: 32 };

/** The LSN that a block on disk carries, or null where it says nothing: then it is replayed. */
export function blockLsn(mp: XfsMount, bytes: Uint8Array, view: DataView, type: number): bigint | null {
  if (!mp.features.v5 || type === Blft.RTBITMAP || type === Blft.RTSUMMARY) return null;
  const magic = view.getUint32(0);
  if (magic === 0x58465342) {
    const uuid = mp.features.metaUuid ? Superblock.at.meta_uuid : Superblock.at.uuid;
    return sameUuid(bytes, uuid, mp.uuid) ? realLsn(view.getBigUint64(Superblock.at.lsn)) : null;
  }
  const place = PLACES_32.get(magic) ?? (DA_MAGICS.has(view.getUint16(8)) ? DA_PLACE : undefined);
  if (place === undefined || !sameUuid(bytes, place.uuid, mp.uuid)) return null;
  return realLsn(view.getBigUint64(place.lsn));
}

/** 0 and all ones mean that no LSN was ever stamped. */
function realLsn(lsn: bigint): bigint | null {
  return lsn === 0n || lsn === 0xffffffffffffffffn ? null : lsn;
}

function sameUuid(bytes: Uint8Array, at: number, uuid: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) {
    if (bytes[at + i] !== uuid[i]) return false;
  }
  return true;
}

function magic32(name: string): number {
  return Buffer.from(name, 'latin1').readUInt32BE(0);
}

/** Runs of changed chunks of a buffer item: byte offset in the buffer and bytes. @throws FsError EUCLEAN */
export function* changedRuns(format: BufFormat, item: RecoveredItem): Generator<{ offset: number; bytes: Uint8Array }> {
  const map = item.regions[0] as Uint8Array;
  const isSet = (bit: number): boolean => ((map[20 + (bit >>> 3)] as number) & (1 << (bit & 7))) !== 0;
  const bits = format.words * 32;
  let region = 1;
  for (let bit = 0; bit < bits; ) {
    if (!isSet(bit)) {
      bit++;
      continue;
    }
    let count = 1;
    while (bit + count < bits && isSet(bit + count)) count++;
    const bytes = item.regions[region++];
    // A run may be split into several regions where it crossed a page in Linux's memory.
    const chunks = bytes === undefined ? 0 : Math.min(count, Math.floor(bytes.length / BLF_CHUNK));
    if (bytes === undefined || chunks === 0 || (bit + chunks) * BLF_CHUNK > format.length) {
      throw damaged(format, 'bitmap and data disagree');
    }
    yield { offset: bit * BLF_CHUNK, bytes: bytes.subarray(0, chunks * BLF_CHUNK) };
    bit += chunks;
  }
}

/** Copies the logged chunks over the block. */
export function replayChunks(format: BufFormat, item: RecoveredItem, bytes: Uint8Array): void {
  for (const run of changedRuns(format, item)) bytes.set(run.bytes, run.offset);
}

/** Takes the unlinked pointers, and only these, of an inode buffer; renews the checksums of their inodes. */
export function replayUnlinked(mp: XfsMount, format: BufFormat, item: RecoveredItem, bytes: Uint8Array): void {
  const size = mp.inodeSize;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const run of changedRuns(format, item)) {
    const first = Math.max(0, Math.floor((run.offset - Dinode.at.next_unlinked) / size));
    for (let base = first * size; base < run.offset + run.bytes.length; base += size) {
      const at = base + Dinode.at.next_unlinked;
      if (at < run.offset || at + 4 > run.offset + run.bytes.length) continue;
      const from = at - run.offset;
      const pointer = run.bytes.subarray(from, from + 4);
      if (pointer.every((byte) => byte === 0)) throw damaged(format, 'unlinked pointer 0 in the log');
      bytes.set(pointer, at);
      if (!mp.features.v5) continue;
      view.setUint32(base + Dinode.at.crc, crc32cSkipping(bytes.subarray(base, base + size), Dinode.at.crc), true);
    }
  }
}

/** True for a buffer of which only unlinked pointers are logged. */
export function isInodeBuffer(format: BufFormat): boolean {
  return (format.flags & BufFlag.INODE_BUF) !== 0;
}

/** The verifier of a replayed block, by what the log calls it and its magic number; null: it has none. */
export function replayedOps(mp: XfsMount, type: number, view: DataView): BufOps | null {
  const { ops } = mp;
  switch (type) {
    case Blft.BTREE:
      return btreeOpsByMagic(mp, view.getUint32(0));
    case Blft.AGF:
      return ops.agf;
    case Blft.AGFL:
      return mp.features.v5 ? ops.agfl : null;
    case Blft.AGI:
      return ops.agi;
    case Blft.SYMLINK:
      return ops.symlink;
    case Blft.DIR_BLOCK:
      return ops.dirBlock;
    case Blft.DIR_DATA:
      return ops.dirData;
    case Blft.DIR_FREE:
      return ops.dirFree;
    case Blft.DIR_LEAF1:
      return ops.dirLeaf1;
    case Blft.DIR_LEAFN:
      return ops.dirLeafn;
    case Blft.DA_NODE:
      return ops.daNode;
    case Blft.ATTR_LEAF:
      return ops.attrLeaf;
    case Blft.ATTR_RMT:
      return ops.attrRemote;
    case Blft.SB:
      return ops.sb;
    default:
      return null;
  }
}

function btreeOpsByMagic(mp: XfsMount, magic: number): BufOps | null {
  const { ops } = mp;
  const known = new Map<number, BufOps>([
    [magic32('AB3B'), ops.bnobt],
    [magic32('ABTB'), ops.bnobt],
    [magic32('AB3C'), ops.cntbt],
    [magic32('ABTC'), ops.cntbt],
    [magic32('IAB3'), ops.inobt],
    [magic32('IABT'), ops.inobt],
    [magic32('FIB3'), ops.finobt],
    [magic32('FIBT'), ops.finobt],
    [magic32('BMA3'), ops.bmbt],
    [magic32('BMAP'), ops.bmbt],
    [magic32('RMB3'), ops.rmapbt],
    [magic32('R3FC'), ops.refcountbt],
  ]);
  return known.get(magic) ?? null;
}

/** Stamps, checksums and judges a replayed block; its bytes are changed in place. @throws FsError EUCLEAN */
export function sealReplayed(mp: XfsMount, addr: number, bytes: Uint8Array, type: number, lsn: bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const ops = replayedOps(mp, type, view);
  if (ops === null || !mp.features.v5) return;
  const buf: Buf = new Buffered([{ addr, length: bytes.length }], bytes, ops);
  ops.seal?.(buf, lsn);
  const damage = ops.verify(buf);
  if (damage !== null) throw corrupt({ ...damage, rule: `${damage.rule} (after replay of the log)` });
}

function damaged(format: BufFormat, rule: string): Error {
  return corrupt({ structure: 'log buffer item', addr: format.addr, rule });
}
