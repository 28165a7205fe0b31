/**
 * Busy extents: freed, but a crash would still show them owned. The log knows those of committed transactions; the
 * ones that the running transaction freed itself are noted here, since data must not move into them either.
 */
import { BusyExtents } from '../log/busy.ts';
import type { Trans } from '../trans.ts';

let running: Trans | null = null;
let freed = new BusyExtents();

/** Notes that the running transaction frees these blocks. */
export function markBusy(tp: Trans, agno: number, agbno: number, length: number): void {
  if (running !== tp) {
    running = tp;
    freed = new BusyExtents();
  }
  freed.add(agno, agbno, length);
  tp.busy(agno, agbno, length);
}

/** The first busy part of a range of an AG, or null. */
export function busyOverlap(tp: Trans, agno: number, agbno: number, length: number) {
  const { busy } = tp.mp.log;
  const own = running === tp ? freed.overlap(agno, agbno, length) : null;
  if (busy.empty) return own;
  const other = busy.overlap(agno, agbno, length);
  if (own === null || other === null) return own ?? other;
  return own.agbno <= other.agbno ? own : other;
}
