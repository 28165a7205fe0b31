/**
 * The state of a log as found: clean (an unmount record is last) or dirty, where the next record goes, where
 * recovery must start. Records torn by a crash at the head are cut off, and a tail that the torn write had already
 * overwritten is moved on, as Linux does. Mirrors xlog_find_tail, xlog_verify_head, xlog_verify_tail.
 */
import { corrupt, FsError } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';
import { LogArea, nextCycle } from './area.ts';
import { findHead } from './head.ts';
import {
  BB,
  FMT_LINUX_BE,
  FMT_LINUX_LE,
  lsnBlock,
  MAX_ICLOGS,
  makeLsn,
  OP_HEADER_SIZE,
  OpFlag,
  RECORD_MAGIC,
} from './log-format.ts';
import { type BadRecord, type LogRecord, readRecord } from './record.ts';

/** What a log says about the file system. */
export interface LogState {
  readonly area: LogArea;
  readonly clean: boolean;
  /** Block and cycle of the next record. */
  readonly head: number;
  readonly cycle: number;
  /** Where recovery starts; the head if there is nothing to recover. */
  readonly tail: number;
  readonly tailLsn: bigint;
  /** The last good record, null in a log that was never written. */
  readonly last: LogRecord | null;
  /** Blocks from here on held a record that a crash tore, or null. */
  readonly torn: number | null;
  /** One clause for a person. */
  readonly why: string;
}

/** Reads the log of an image and judges it; changes nothing. @throws FsError EUCLEAN, EIO, ENODEV */
export function findLogState(mp: XfsMount): LogState {
  const area = new LogArea(mp);
  const head = findHead(area);
  if (head < 0) {
    return {
      area,
      clean: true,
      head: 0,
      cycle: 1,
      tail: 0,
      tailLsn: makeLsn(1, 0),
      last: null,
      torn: null,
      why: 'the log was never written',
    };
  }
  const block = headerBefore(area, head, head);
  if (block === null) throw damaged(area, head, 'no record in the log');
  const last = asRecord(area, readRecord(area, block));
  if (isUnmount(last) && last.next === head) return clean(area, last, head);
  return dirty(area, last, head);
}

function clean(area: LogArea, last: LogRecord, head: number): LogState {
  const cycle = cycleAfter(last, head);
  const tailLsn = makeLsn(cycle, head);
  return { area, clean: true, head, cycle, tail: head, tailLsn, last, torn: null, why: 'unmounted cleanly' };
}

function dirty(area: LogArea, last: LogRecord, head: number): LogState {
  let newest = last;
  let end = head;
  const bad = firstBadNearHead(area, last, head);
  if (bad !== null) {
    const before = headerBefore(area, bad, bad);
    if (before === null) throw damaged(area, bad, 'no good record before the torn one');
    newest = asRecord(area, readRecord(area, before));
    end = bad;
    if (isUnmount(newest) && newest.next === end) {
      return { ...clean(area, newest, end), torn: bad, why: 'unmounted cleanly; a write after that was torn' };
    }
  }
  checkOrigin(area, newest);
  const tail = goodTail(area, lsnBlock(newest.tailLsn), end, newest.size);
  return {
    area,
    clean: false,
    head: end,
    cycle: cycleAfter(newest, end),
    tail,
    tailLsn: tail === lsnBlock(newest.tailLsn) ? newest.tailLsn : asRecord(area, readRecord(area, tail)).lsn,
    last: newest,
    torn: bad,
    why: bad === null ? 'not unmounted: changes exist only in the log' : 'not unmounted; its last write was torn',
  };
}

/** The cycle of the record after `last`: one more once the log has wrapped. */
function cycleAfter(last: LogRecord, head: number): number {
  return head <= last.block ? nextCycle(last.cycle) : last.cycle;
}

/** True for a record that says "cleanly unmounted". */
export function isUnmount(record: LogRecord): boolean {
  if (record.operations !== 1 || record.data.length < OP_HEADER_SIZE) return false;
  return ((record.data[9] as number) & OpFlag.UNMOUNT) !== 0;
}

/** The records from `tail` up to `head` in order; a bad one ends the walk. Bounded by the size of the log. */
export function* walkRecords(area: LogArea, tail: number, head: number): Generator<LogRecord | BadRecord> {
  let block = tail;
  let size = 0;
  let left = area.distance(tail, head) || area.blocks;
  while (left > 0) {
    const record = readRecord(area, block, size);
    yield record;
    if ('reason' in record) return;
    if (size === 0) size = area.v2 ? Math.max(record.size, record.data.length > record.size ? area.roundoff : 0) : 0;
    left -= record.headerBlocks + Math.ceil(record.data.length / BB);
    block = record.next;
    if (left < 0) yield { block, reason: 'record reaches beyond the head' };
  }
}

/** The block of the `count`-th record header before `from`, going back as far as `limit` (exclusive when reached). */
function headerBefore(area: LogArea, from: number, limit: number, count = 1): number | null {
  const scratch = new Uint8Array(64 * BB);
  const view = new DataView(scratch.buffer);
  let found: number | null = null;
  let seen = 0;
  let left = from === limit ? area.blocks : area.distance(limit, from);
  let end = from;
  while (left > 0) {
    if (end === 0) end = area.blocks;
    const blocks = Math.min(64, left, end);
    area.read(end - blocks, blocks, scratch);
    for (let i = blocks - 1; i >= 0; i--) {
      if (view.getUint32(i * BB) !== RECORD_MAGIC) continue;
      found = end - blocks + i;
      if (++seen === count) return found;
    }
    end -= blocks;
    left -= blocks;
  }
  return found;
}

/** The first bad record among those that can have been in flight together at the crash, or null. */
function firstBadNearHead(area: LogArea, last: LogRecord, head: number): number | null {
  const start = headerBefore(area, head, lsnBlock(last.tailLsn), MAX_ICLOGS) ?? last.block;
  for (const record of walkRecords(area, start, head)) {
    if ('reason' in record || !record.crcGood) return record.block;
  }
  return null;
}

/** The tail, moved past records that a torn write at the head overwrote. @throws FsError EUCLEAN */
function goodTail(area: LogArea, wanted: number, head: number, size: number): number {
  let tail = headerFrom(area, wanted, head);
  const reach = (MAX_ICLOGS * Math.max(size, area.v2 ? 0 : 32768)) / BB;
  for (let tries = 0; tries <= MAX_ICLOGS * 2; tries++) {
    if (tail === null) break;
    const bad = firstBad(area, tail, head);
    if (bad === null) return tail;
    if (area.distance(head, bad) > reach) throw damaged(area, bad, 'record checksum');
    tail = headerFrom(area, area.wrap(bad + 1), head);
  }
  throw damaged(area, wanted, 'no record where recovery should start');
}

function firstBad(area: LogArea, tail: number, head: number): number | null {
  for (const record of walkRecords(area, tail, head)) {
    if ('reason' in record || !record.crcGood) return record.block;
  }
  return null;
}

/** The first record header at or after `from`, before `head`. */
function headerFrom(area: LogArea, from: number, head: number): number | null {
  const scratch = new Uint8Array(BB);
  const view = new DataView(scratch.buffer);
  const count = area.distance(from, head) || area.blocks;
  for (let i = 0; i < count; i++) {
    const block = area.wrap(from + i);
    area.read(block, 1, scratch);
    if (view.getUint32(0) === RECORD_MAGIC) return block;
  }
  return null;
}

/** Only a log of this file system, written by a little-endian machine, can be replayed. */
function checkOrigin(area: LogArea, record: LogRecord): void {
  if (record.format !== FMT_LINUX_LE) {
    const by = record.format === FMT_LINUX_BE ? 'a big-endian machine' : 'another system';
    throw new FsError('EUCLEAN', { detail: `the log was written by ${by} and cannot be replayed` });
  }
  for (let i = 0; i < 16; i++) {
    if (record.uuid[i] !== area.uuid[i]) {
      throw new FsError('EUCLEAN', { detail: 'the log belongs to another file system (uuid)' });
    }
  }
}

function asRecord(area: LogArea, record: LogRecord | BadRecord): LogRecord {
  if ('reason' in record) throw damaged(area, record.block, record.reason);
  return record;
}

function damaged(area: LogArea, block: number, rule: string): FsError {
  return corrupt({ structure: 'log', addr: area.start + block * BB, rule: `block ${block}: ${rule}` });
}
