/**
 * Log headers: one ends what belongs together in a journal. The first version has a checksum (crc32) of its 48 bytes;
 * the second another one (crc32c) of the rest of the block (kernel: __get_log_header).
 */
import { crc32, crc32c } from '../../../core/checksum.ts';
import { LOG_HEADER_V1_SIZE, LogHeader } from '../structure/log.ts';
import { GFS2_MAGIC, MetaType, readBlockNumber } from '../structure/meta.ts';

/** True if a block begins as a log header does. */
export function looksLikeHeader(view: DataView, at: number): boolean {
  return view.getUint32(at) === GFS2_MAGIC && view.getUint32(at + 4) === MetaType.LH;
}

/** True if the block is a log header with checksums that fit. */
export function isGoodHeader(block: Uint8Array): boolean {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  if (!looksLikeHeader(view, 0)) return false;
  const { get, at } = LogHeader;
  const first = block.slice(0, LOG_HEADER_V1_SIZE);
  first.fill(0, at.lh_hash, at.lh_hash + 4);
  if (crc32(first) !== get.lh_hash(view, 0)) return false;
  const stored = get.lh_crc(view, 0);
  return stored === 0 || ~crc32c(block.subarray(LOG_HEADER_V1_SIZE + 4)) >>> 0 === stored;
}

/** The sequence number of the header at a byte. */
export function sequenceAt(view: DataView, at: number): number {
  return readBlockNumber(view, at + LogHeader.at.lh_sequence);
}
