/**
 * Where the log ends: the block where the next record goes. Found by the cycle numbers that start every block.
 *
 *     | x+1 … x+1 | x … x |        the head is the first x
 *     | x … x | 0 … 0 |            a young log: the first 0
 *     | x … x |                    all the same: the end, which is block 0
 *
 * Binary search gives a first answer; since several records can be in flight at a crash, the blocks before it are
 * searched for holes, and at last the head may not lie inside a record. Mirrors xlog_find_head, xlog_find_zeroed.
 */
import { corrupt } from '../../../core/errors.ts';
import { blockCycle, headerBlocks, type LogArea } from './area.ts';
import { BB, RECORD_MAGIC, RecordHeader } from './log-format.ts';

const CHUNK = 128;

/** The block where the next record would go; -1 if nothing was ever written. @throws FsError EUCLEAN */
export function findHead(area: LogArea): number {
  const size = area.blocks;
  const firstCycle = area.cycleAt(0);
  const lastCycle = area.cycleAt(size - 1);
  if (firstCycle === 0) return -1;
  if (lastCycle === 0) {
    let head = firstWithCycle(area, size - 1, 0);
    const from = Math.max(0, head - area.inFlight);
    head = findCycle(area, from, head - from, 0) ?? head;
    return lastRecordEnd(area, from, head, 0) ?? inconsistent(area, head);
  }
  const whole = firstCycle === lastCycle;
  let head = whole ? size : firstWithCycle(area, size - 1, lastCycle);
  head = skipHoles(area, head, whole ? lastCycle - 1 : lastCycle);
  head = endOfRecord(area, head);
  return head === size ? 0 : head;
}

/** First block of (0, last] with `cycle`, given that `last` has it and the blocks are in order. */
function firstWithCycle(area: LogArea, last: number, cycle: number): number {
  const scratch = new Uint8Array(BB);
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (area.cycleAt(middle, scratch) === cycle) high = middle;
    else low = middle;
  }
  return high;
}

/** The first of `count` blocks from `start` on whose cycle is `cycle`, or null. */
function findCycle(area: LogArea, start: number, count: number, cycle: number): number | null {
  const chunk = new Uint8Array(CHUNK * BB);
  const view = new DataView(chunk.buffer);
  for (let done = 0; done < count; done += CHUNK) {
    const blocks = Math.min(CHUNK, count - done);
    area.read(start + done, blocks, chunk);
    for (let i = 0; i < blocks; i++) {
      if (blockCycle(view, i * BB) === cycle) return start + done + i;
    }
  }
  return null;
}

/** Moves the head back to a hole that a record left which was in flight and did not arrive. */
function skipHoles(area: LogArea, head: number, stop: number): number {
  const scan = Math.min(area.blocks, area.inFlight);
  if (head >= scan) return findCycle(area, head - scan, scan, stop) ?? head;
  // The scan runs backwards over block 0: at the physical end a hole has the cycle before.
  const atEnd = area.blocks - (scan - head);
  return findCycle(area, atEnd, scan - head, stop - 1) ?? findCycle(area, 0, head, stop) ?? head;
}

/** Moves the head back to the start of a record of which only a part is before it. */
function endOfRecord(area: LogArea, head: number): number {
  const scan = area.largestRecord;
  if (head >= scan) return lastRecordEnd(area, head - scan, head, 0) ?? inconsistent(area, head);
  const end = lastRecordEnd(area, 0, head, 0);
  if (end !== null) return end;
  const from = Math.max(0, area.blocks - (scan - head));
  const atEnd = lastRecordEnd(area, from, area.blocks, head) ?? inconsistent(area, head);
  return atEnd === area.blocks ? head : atEnd;
}

/**
 * `end` if the last record header in [start, end) begins a record that ends there (`beyond` blocks further), or else
 * the block of that header; null if there is none.
 */
function lastRecordEnd(area: LogArea, start: number, end: number, beyond: number): number | null {
  if (end <= start) return null;
  const bytes = area.read(start, end - start);
  const view = new DataView(bytes.buffer);
  for (let block = end - 1; block >= start; block--) {
    const at = (block - start) * BB;
    if (view.getUint32(at) !== RECORD_MAGIC) continue;
    const version = RecordHeader.get.version(view, at);
    const size = area.v2 ? RecordHeader.get.size(view, at) : 0;
    const blocks = Math.ceil(RecordHeader.get.len(view, at) / BB) + headerBlocks(area.v2, version, size);
    return end - block + beyond === blocks ? end : block;
  }
  return null;
}

function inconsistent(area: LogArea, head: number): never {
  throw corrupt({
    structure: 'log',
    addr: area.start + head * BB,
    rule: `no record header before the head at block ${head}`,
  });
}
