/**
 * What memory alone knows of a file's data on their way to the disk.
 *
 *     dirty pages ──reserved──▶ mapBlocks: an ordered extent has its place ──written──▶ endIo: items, references, sums
 *
 * Reserved are data bytes that dirty pages will take; nothing is allocated before write-back. An ordered extent is
 * complete when each of its bytes was written or lost; only then does the file's tree hear of it, in one transaction.
 *
 * Mirrors: fs/btrfs/ordered-data.c, fs/btrfs/delalloc-space.c.
 */
import { FsError } from '../../core/errors.ts';
import { quietWriteback, writeback } from '../../core/iomap/writeback.ts';
import { roundUp } from '../../core/units.ts';
import { FileExtent } from './file-extent.ts';
import { readAt, seekExtent } from './file-extents.ts';
import type { BtrfsInode } from './inode.ts';
import type { BtrfsMount } from './mount.ts';
import { TreeCursor } from './tree/cursor.ts';

/** How the bytes go to the disk: to a new place, into preallocated space, over the old bytes, into the leaf. */
export type OrderedKind = 'cow' | 'prealloc' | 'inplace' | 'inline';

/** A range of a file that is being written to its place. */
export interface Ordered {
  readonly kind: OrderedKind;
  readonly pos: number;
  readonly length: number;
  /** New place on disk, of `cow` only. */
  readonly bytenr: number;
  readonly diskLength: number;
  readonly compression: number;
  /** What goes into the leaf, of `inline` only. */
  readonly data: Uint8Array | null;
  /** Bytes that are neither written nor lost yet. */
  left: number;
  /** Ranges that were lost: pairs of file positions. */
  readonly lost: number[];
}

/** What writing compressed has decided about the run of dirty bytes that it is in. */
export interface CompressionPlan {
  /** Where the last answer ended; the run ends at `end`. */
  next: number;
  readonly end: number;
  readonly compress: boolean;
  /** The piece of 512 KiB that is being dealt with ends here. */
  chunkEnd: number;
  /** The rest of the piece goes uncompressed. */
  plain: boolean;
}

/** Ordered extents that are not complete, in file order. */
export class OrderedList {
  private items: Ordered[] = [];
  /** Complete ones before this index have been taken out. */
  private first = 0;

  get empty(): boolean {
    return this.first === this.items.length;
  }

  add(ordered: Omit<Ordered, 'left' | 'lost'>): void {
    this.items.push({ ...ordered, left: ordered.length, lost: [] });
  }

  /** Bytes [pos, end) came to an end, `lost` or well; `complete` receives the extents all of whose bytes did. */
  account(pos: number, end: number, lost: boolean, complete: Ordered[]): void {
    const { items } = this;
    let any = false;
    for (let i = this.indexOf(pos); i < items.length; i++) {
      const one = items[i] as Ordered;
      if (one.pos >= end) break;
      const from = Math.max(pos, one.pos);
      const to = Math.min(end, one.pos + one.length);
      if (from >= to || one.left === 0) continue;
      one.left -= to - from;
      if (lost) one.lost.push(from, to);
      if (one.left > 0) continue;
      complete.push(one);
      any = true;
    }
    if (any) this.forgetComplete();
  }

  private forgetComplete(): void {
    const { items } = this;
    while (this.first < items.length && (items[this.first] as Ordered).left === 0) this.first++;
    if (this.first === items.length) items.length = 0;
    else if (this.first > 1024) items.splice(0, this.first);
    else return;
    this.first = 0;
  }

  /** Index of the first one that ends behind `pos`. */
  private indexOf(pos: number): number {
    const { items } = this;
    let low = this.first;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const one = items[middle] as Ordered;
      if (one.pos + one.length <= pos) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class WriteState {
  readonly ordered = new OrderedList();
  /** Data bytes reserved for dirty pages; never more than these are. */
  reserved = 0;
  plan: CompressionPlan | null = null;
  /** Logical address behind the last new place. */
  next = 0;
  /** Cut to nothing: what replaces it goes to the disk when the file is closed. */
  truncated = false;
  /** From here on it was made longer by holes. */
  expandedFrom = Number.POSITIVE_INFINITY;
  /** Where space was looked for that shall be given up, while nothing had changed. */
  readonly lookups: { readonly start: number; end: number }[] = [];
}

/** Reserves data space for the blocks of [start, end) that are not dirty yet. @throws FsError ENOSPC, EDQUOT */
export function reserveDirty(ip: BtrfsInode, start: number, end: number): void {
  settle(ip);
  let bytes = 0;
  const { pages } = ip;
  if (pages.dirtyBlocks === 0) bytes = end - start;
  else {
    for (let at = start; at < end; ) {
      const stop = pages.dirtyRunEnd(at, end);
      if (!pages.isDirty(at)) bytes += stop - at;
      at = stop;
    }
  }
  if (bytes === 0) return;
  const { mp } = ip;
  mp.groups.reserveData(bytes);
  try {
    // Their items will take a block, too.
    mp.trans.quotas.limits.reserve(ip.root.id, bytes, mp.nodeSize);
  } catch (error) {
    mp.groups.releaseData(bytes);
    throw error;
  }
  ip.writing.reserved += bytes;
}

/** Gives back what is reserved beyond what dirty pages need. */
export function settle(ip: BtrfsInode): void {
  const state = ip.writing;
  const over = state.reserved - ip.pages.dirtyBytes;
  if (over <= 0) return;
  ip.mp.groups.releaseData(over);
  ip.mp.trans.quotas.limits.giveBack(ip.root.id, over);
  state.reserved -= over;
}

/** Bytes got their place: the reservation has done its work. */
export function spendReservation(ip: BtrfsInode, bytes: number): void {
  const used = Math.min(bytes, ip.writing.reserved);
  if (used > 0) ip.mp.groups.releaseData(used);
  ip.writing.reserved -= used;
}

/** Runs `act`; where it finds no space, writes everything back and commits, which frees what was replaced, and tries again. */
export function withRoom<T>(mp: BtrfsMount, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof FsError) || !isFull(error) || !giveRoom(mp)) throw error;
    return act();
  }
}

/** True if something had no room: on the devices, or below a quota group's limit. */
export function isFull(error: unknown): boolean {
  return error instanceof FsError && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/** Writes the dirty pages of every file; one that cannot be written does not keep the others. Returns the first error, or null. */
export function writeBackAll(mp: BtrfsMount): unknown {
  let failure: unknown = null;
  for (const ip of mp.inodes.changed()) {
    try {
      writeback(ip);
    } catch (error) {
      failure ??= error;
    }
    settle(ip);
  }
  return failure;
}

/** A file was closed: what replaces cut-off bytes should not wait for long, or a crash leaves an empty file. */
export function flushTruncated(ip: BtrfsInode): void {
  if (!ip.writing.truncated) return;
  ip.writing.truncated = false;
  quietWriteback(ip);
  settle(ip);
}

/** A step of a long operation: what it is called, how many items a round and one more of its parts may touch. */
export interface Steps {
  readonly name: string;
  /** Parts dealt with in one transaction where there is space to spare. */
  readonly most: number;
  readonly itemsEach: number;
  readonly itemsMore: number;
}

/** Runs one step of up to `most` parts as one operation; of one part where space for more cannot be promised. */
export function stepwise<T>(mp: BtrfsMount, steps: Steps, act: (parts: number) => T): T {
  const { name, most, itemsEach, itemsMore } = steps;
  const run = (parts: number): T => mp.change(name, parts * itemsEach + itemsMore, () => act(parts));
  try {
    return run(most);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error;
    return withRoom(mp, () => run(1));
  }
}

let givingRoom = false;

/** Writes back what is dirty and commits. False: that is what is going on already. */
function giveRoom(mp: BtrfsMount): boolean {
  if (givingRoom || mp.trans.busy) return false;
  givingRoom = true;
  try {
    for (const ip of mp.inodes.changed()) {
      quietWriteback(ip);
      settle(ip);
    }
    if (mp.trans.running) mp.trans.commit();
    return true;
  } finally {
    givingRoom = false;
  }
}

const found = new FileExtent();

/** Bytes of dirty blocks that lie in holes: they count in a file's blocks before they have a place. */
export function delayedBytes(ip: BtrfsInode): number {
  const { pages } = ip;
  if (pages.dirtyBlocks === 0) return 0;
  const end = roundUp(ip.size, pages.blockSize);
  const cursor = new TreeCursor(ip.root);
  let bytes = 0;
  try {
    for (let at = 0; at < end; ) {
      const stop = pages.dirtyRunEnd(at, end);
      if (pages.isDirty(at)) bytes += bytesInHoles(ip, cursor, at, stop);
      at = stop;
    }
  } finally {
    cursor.close();
  }
  return bytes;
}

function bytesInHoles(ip: BtrfsInode, cursor: TreeCursor, start: number, end: number): number {
  let bytes = 0;
  let pos = start;
  let more = seekExtent(cursor, ip.ino, start, found);
  while (more && found.pos < end) {
    if (found.pos > pos) bytes += found.pos - pos;
    const stop = found.inline ? roundUp(found.end, ip.mp.sectorSize) : found.end;
    if (found.hole) bytes += Math.min(stop, end) - Math.max(found.pos, pos);
    pos = Math.max(pos, stop);
    more = cursor.next() && readAt(cursor, ip.ino, found);
  }
  return bytes + Math.max(0, end - pos);
}
