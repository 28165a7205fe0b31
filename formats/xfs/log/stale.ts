/**
 * Records that were in flight at a crash may lie beyond the head with the cycle of the head. Before new records are
 * written, the blocks after the head are stamped with the cycle before, so that no later search for the head takes
 * the remains for records. Kernel: xlog_clear_stale_blocks.
 */
import { BB, RECORD_MAGIC, RecordHeader } from './log-format.ts';
import type { LogState } from './state.ts';

/** Stamps the blocks after the head, as far as records can have been in flight but not into the tail. @throws FsError EIO */
export function clearStaleBlocks(state: LogState): void {
  const { area } = state;
  const room = state.head === state.tail ? area.blocks : area.distance(state.head, state.tail);
  const count = Math.min(area.inFlight, room);
  const toEnd = Math.min(count, area.blocks - state.head);
  stamp(state, state.head, toEnd, state.cycle - 1);
  if (count > toEnd) stamp(state, 0, count - toEnd, state.cycle);
  area.device.flush();
}

function stamp(state: LogState, start: number, count: number, cycle: number): void {
  if (count === 0) return;
  const { area } = state;
  const blocks = new Uint8Array(count * BB);
  const view = new DataView(blocks.buffer);
  for (let i = 0; i < count; i++) {
    RecordHeader.encode(view, i * BB, {
      magicno: RECORD_MAGIC,
      cycle,
      version: area.v2 ? 2 : 1,
      lsn: (BigInt(cycle) << 32n) | BigInt(start + i),
      tail_lsn: state.tailLsn,
      fmt: 1,
      fs_uuid: area.uuid,
    });
  }
  area.write(start, blocks);
}
