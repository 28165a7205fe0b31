/**
 * Attribute values in blocks of their own (kernel: xfs_attr_remote.c). Linux writes them to the device before the
 * attribute becomes visible; here they go through the log with the rest, so that the change is one step. On v5
 * every block has a header, whose LSN is always -1.
 */
import type { BufOps } from '../../../core/buffer-cache.ts';
import { writeBe64 } from '../../../core/struct.ts';
import { forkLookup } from '../bmap-fork.ts';
import { daMap, daUnmap } from '../da/block.ts';
import { Extent } from '../extent.ts';
import type { XfsInode } from '../inode.ts';
import type { XfsMount } from '../mount.ts';
import { ATTR3_RMT_MAGIC, AttrRemoteHeader } from '../structure/attr.ts';
import type { Trans } from '../trans.ts';

const extent = new Extent();

/** Bytes of a value that one block holds. */
function perBlock(mp: XfsMount): number {
  return mp.blockSize - (mp.features.v5 ? AttrRemoteHeader.size : 0);
}

/** Blocks that a value takes. */
export function remoteBlocks(mp: XfsMount, length: number): number {
  return Math.ceil(length / perBlock(mp));
}

/** Stores the value in new blocks of the attribute fork and answers the first. @throws FsError ENOSPC */
export function writeRemote(tp: Trans, ip: XfsInode, value: Uint8Array): number {
  const { mp } = ip;
  const count = remoteBlocks(mp, value.length);
  const first = findHole(ip, count);
  daMap(tp, ip, 'attr', first, count);
  const header = mp.features.v5 ? AttrRemoteHeader.size : 0;
  for (let i = 0; i < count; i++) {
    const buf = mp.cache.init(blockAddr(ip, first + i), mp.blockSize, mp.ops.attrRemote);
    tp.init(buf);
    const offset = i * perBlock(mp);
    const part = value.subarray(offset, offset + perBlock(mp));
    buf.bytes.set(part, header);
    if (header === 0) continue;
    const { set } = AttrRemoteHeader;
    set.magic(buf.view, 0, ATTR3_RMT_MAGIC);
    set.offset(buf.view, 0, offset);
    set.bytes(buf.view, 0, part.length);
    buf.bytes.set(mp.uuid, AttrRemoteHeader.at.uuid);
    writeBe64(buf.view, AttrRemoteHeader.at.owner, ip.ino);
    writeBe64(buf.view, AttrRemoteHeader.at.blkno, buf.addr / 512);
    set.lsn(buf.view, 0, 0xffffffffffffffffn);
  }
  return first;
}

/** The first run of `count` file blocks without a mapping. */
function findHole(ip: XfsInode, count: number): number {
  let block = 0;
  while (forkLookup(ip, 'attr', block, extent) && extent.off < block + count) block = extent.end;
  return block;
}

function blockAddr(ip: XfsInode, block: number): number {
  if (!forkLookup(ip, 'attr', block, extent) || extent.off > block)
    throw new Error(`attribute block ${block} is not mapped`);
  return ip.mp.fsbToAddr(extent.block + (block - extent.off));
}

/** Frees the blocks of a value. */
export function freeRemote(tp: Trans, ip: XfsInode, first: number, length: number): void {
  const { mp } = ip;
  const count = remoteBlocks(mp, length);
  // The log may still hold the block: it is cancelled there, whether it is in memory or not.
  for (let i = 0; i < count; i++) cancelBlock(tp, mp, blockAddr(ip, first + i), mp.blockSize, mp.ops.attrRemote);
  daUnmap(tp, ip, 'attr', first, count);
}

/** Tells the log that a block is no longer metadata, without reading it. */
export function cancelBlock(tp: Trans, mp: XfsMount, addr: number, length: number, ops: BufOps): void {
  let buf = mp.cache.peek(addr);
  if (buf === null || buf.length !== length) {
    buf = mp.cache.init(addr, length, ops);
    tp.init(buf);
  }
  tp.binval(buf);
}
