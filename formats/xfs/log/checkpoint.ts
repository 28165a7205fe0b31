/**
 * One checkpoint: all committed changes as one transaction in the log.
 *
 *     START · transaction header · items … · COMMIT
 *
 * Blocks are sealed and judged before a byte is written, so that nothing which our own verifiers refuse gets into a
 * log. Kernel: xlog_cil_push_work.
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { FsError } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';
import { formatBuf, formatCancel } from './buf-item.ts';
import type { Cil } from './cil.ts';
import { formatDquot } from './dquot-item.ts';
import { sealBuf } from './in-place.ts';
import { formatIcreate, formatInode } from './inode-item.ts';
import { Client, OpFlag, TRANS_CHECKPOINT, TRANS_HEADER_MAGIC } from './log-format.ts';
import type { RecordWriter } from './record-writer.ts';

/**
 * Writes the changes gathered in `cil` at the head of the log; they are not durable before the writer is flushed.
 * @throws FsError EUCLEAN a changed block breaks its own rules, ENOSPC the log cannot hold it, EIO
 */
export function writeCheckpoint(mp: XfsMount, cil: Cil, writer: RecordWriter, tid: number): void {
  const lsn = writer.lsn;
  const sealed = new Set<Buf>(cil.bufs);
  for (const item of cil.inodes.values()) sealed.add(item.buf);
  for (const item of cil.dquots.values()) sealed.add(item.buf);
  for (const buf of sealed) sealBuf(buf, lsn);
  const regions: Uint8Array[] = [];
  let items = 0;
  for (const item of cil.icreates) items += formatIcreate(item, regions);
  for (const buf of cil.bufs) items += formatBuf(buf, mp.features.v5, regions);
  for (const item of cil.inodes.values()) items += formatInode(item, mp.inodeSize, mp.uuid, regions);
  for (const item of cil.dquots.values()) items += formatDquot(item, regions);
  for (const buf of cil.cancels.values()) items += formatCancel(buf, regions);
  if (items > 0) {
    if (writer.measure(regions) > writer.free) {
      throw new FsError('ENOSPC', { detail: 'one change is larger than the log can hold' });
    }
    writer.operation(tid, Client.TRANSACTION, OpFlag.START, null);
    writer.operation(tid, Client.TRANSACTION, 0, transactionHeader(tid, items));
    for (const region of regions) writer.operation(tid, Client.TRANSACTION, 0, region);
    writer.operation(tid, Client.TRANSACTION, OpFlag.COMMIT, null);
    writer.finish();
  }
  cil.clear();
}

function transactionHeader(tid: number, items: number): Uint8Array {
  const header = new Uint8Array(16);
  const view = new DataView(header.buffer);
  view.setUint32(0, TRANS_HEADER_MAGIC, true);
  view.setUint32(4, TRANS_CHECKPOINT, true);
  view.setUint32(8, tid, true);
  view.setUint32(12, items, true);
  return header;
}
