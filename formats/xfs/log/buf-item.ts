/**
 * A changed buffer as log regions: per device extent one format structure with the bitmap of its 128-byte chunks,
 * then one region for each run of changed chunks (kernel: xfs_buf_item.c). Host byte order, which is little-endian.
 *
 *     0 type  2 regions  4 flags  6 sectors  8 daddr  16 words of map  20 map …
 */
import type { Buf, BufMap } from '../../../core/buffer-cache.ts';
import { writeLe64 } from '../../../core/struct.ts';
import { BB, BLF_CHUNK, BLFT_SHIFT, Blft, BufFlag, LogFlag, LogItem } from './log-format.ts';

const FORMAT_SIZE = 20;
/** Blocks of quota records are replayed by these. */
const DQUOT_FLAGS: Readonly<Record<number, number>> = {
  [Blft.UDQUOT]: BufFlag.UDQUOT,
  [Blft.PDQUOT]: BufFlag.PDQUOT,
  [Blft.GDQUOT]: BufFlag.GDQUOT,
};

/** Appends the regions of a changed buffer; returns how many items they are. `v5`: inode chunks are logged by icreate. */
export function formatBuf(buf: Buf, v5: boolean, regions: Uint8Array[]): number {
  const chunks = buf.chunks;
  if (chunks === null) return 0;
  let flags = buf.ops.logType << BLFT_SHIFT;
  // A new v4 inode chunk is replayed whole; of any other inode buffer only the unlinked pointers are.
  if (buf.ops.logType === Blft.DINO && (v5 || (buf.logFlags & LogFlag.INODE_ALLOC) === 0)) flags |= BufFlag.INODE_BUF;
  flags |= DQUOT_FLAGS[buf.ops.logType] ?? 0;
  let items = 0;
  let base = 0;
  for (const map of buf.maps) {
    if (formatMap(buf, map, base, chunks, flags, regions)) items++;
    base += map.length;
  }
  return items;
}

/** Appends the regions that cancel a freed buffer; returns how many items they are. */
export function formatCancel(buf: Buf, regions: Uint8Array[]): number {
  for (const map of buf.maps) regions.push(formatHeader(map, BufFlag.CANCEL, 1));
  return buf.maps.length;
}

function formatHeader(map: BufMap, flags: number, count: number): Uint8Array {
  const words = mapWords(map);
  const header = new Uint8Array(FORMAT_SIZE + 4 * words);
  const view = new DataView(header.buffer);
  view.setUint16(0, LogItem.BUF, true);
  view.setUint16(2, count, true);
  view.setUint16(4, flags, true);
  view.setUint16(6, map.length / BB, true);
  writeLe64(view, 8, map.addr / BB);
  view.setUint32(16, words, true);
  return header;
}

function mapWords(map: BufMap): number {
  return Math.ceil(map.length / BLF_CHUNK / 32);
}

/** True if the map has changed chunks. */
function formatMap(
  buf: Buf,
  map: BufMap,
  base: number,
  chunks: Uint32Array,
  flags: number,
  regions: Uint8Array[],
): boolean {
  const first = base / BLF_CHUNK;
  const count = map.length / BLF_CHUNK;
  const header = formatHeader(map, flags, 1);
  const view = new DataView(header.buffer);
  const at = regions.length;
  regions.push(header);
  for (let i = 0; i < count; ) {
    if (!isSet(chunks, first + i)) {
      i++;
      continue;
    }
    const start = i;
    for (; i < count && isSet(chunks, first + i); i++) {
      const word = FORMAT_SIZE + 4 * (i >>> 5);
      view.setUint32(word, (view.getUint32(word, true) | (1 << (i & 31))) >>> 0, true);
    }
    regions.push(buf.bytes.subarray(base + start * BLF_CHUNK, base + i * BLF_CHUNK));
  }
  if (regions.length === at + 1) {
    regions.pop();
    return false;
  }
  view.setUint16(2, regions.length - at, true);
  return true;
}

function isSet(chunks: Uint32Array, index: number): boolean {
  return ((chunks[index >>> 5] as number) & (1 << (index & 31))) !== 0;
}
