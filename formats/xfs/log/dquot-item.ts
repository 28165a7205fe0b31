/** A changed quota record as log regions: where it lies, then the record as it is on disk (kernel: xfs_dquot_item.c). */
import { writeLe64 } from '../../../core/struct.ts';
import { DISK_DQUOT_SIZE, Dquot } from '../structure/dquot.ts';
import type { LoggedDquot } from './cil.ts';
import { BB, LogItem } from './log-format.ts';

const FORMAT_SIZE = 24;

/** Appends the regions of one record. Returns how many items they are: 1. */
export function formatDquot({ buf, base }: LoggedDquot, regions: Uint8Array[]): number {
  const format = new Uint8Array(FORMAT_SIZE);
  const view = new DataView(format.buffer);
  view.setUint16(0, LogItem.DQUOT, true);
  view.setUint16(2, 2, true);
  view.setUint32(4, Dquot.get.id(buf.view, base), true);
  writeLe64(view, 8, buf.addr / BB);
  // Blocks of the buffer.
  view.setUint32(16, 1, true);
  view.setUint32(20, base, true);
  regions.push(format, buf.bytes.subarray(base, base + DISK_DQUOT_SIZE));
  return 1;
}
