/**
 * What committed transactions changed and no checkpoint in the log has yet: buffers with their changed chunks,
 * inodes, new inode chunks, and blocks that were freed. A checkpoint takes all of it at once.
 *
 * Invariants: an inode is here at most once; a freed block is not here as a buffer; a buffer here is dirty and pinned
 * (it must not be written in place before the log has it). Mirrors xfs_log_cil.c, without copies: bytes are taken
 * when the checkpoint is written, and only committed bytes exist then.
 */
import type { Buf, BufferCache } from '../../../core/buffer-cache.ts';
import { BLF_CHUNK, Blft, LogFlag } from './log-format.ts';

/** Parts of an inode to log: bits of LoggedInode.fields. */
export const InodeFields = { core: 1, data: 3, attr: 5, all: 7 } as const;
export const INODE_DATA = 2;
export const INODE_ATTR = 4;

/** An inode that changed. */
export interface LoggedInode {
  readonly ino: number;
  readonly buf: Buf;
  /** Byte offset of the inode in its buffer. */
  readonly base: number;
  fields: number;
}

/** A quota record that changed. */
export interface LoggedDquot {
  readonly buf: Buf;
  /** Byte offset of the record in its buffer. */
  readonly base: number;
}

/** A run of new inodes. */
export interface Icreate {
  readonly agno: number;
  readonly agbno: number;
  readonly count: number;
  readonly isize: number;
  readonly length: number;
  readonly gen: number;
}

/** The gathering of committed changes. */
export class Cil {
  readonly bufs = new Set<Buf>();
  readonly inodes = new Map<number, LoggedInode>();
  readonly icreates: Icreate[] = [];
  /** By the address of each record. */
  readonly dquots = new Map<number, LoggedDquot>();
  /** Freed blocks, by address and length (see cancelKey). */
  readonly cancels = new Map<number, Buf>();

  get empty(): boolean {
    return this.bufs.size + this.inodes.size + this.icreates.length + this.dquots.size + this.cancels.size === 0;
  }

  has(buf: Buf): boolean {
    return this.bufs.has(buf);
  }

  addBuf(buf: Buf): void {
    this.bufs.add(buf);
    buf.pinned = true;
    // The block is in use again: recovery must replay it, not skip it.
    if (this.cancels.size > 0) this.cancels.delete(cancelKey(buf));
  }

  addInode(item: LoggedInode): void {
    const known = this.inodes.get(item.ino);
    if (known !== undefined && known.buf === item.buf) known.fields |= item.fields;
    else this.inodes.set(item.ino, item);
    item.buf.pinned = true;
  }

  addDquot(item: LoggedDquot): void {
    this.dquots.set(item.buf.addr + item.base, item);
    item.buf.pinned = true;
  }

  addIcreate(item: Icreate): void {
    this.icreates.push(item);
  }

  /** The block was freed. */
  cancel(buf: Buf): void {
    this.remove(buf);
    this.cancels.set(cancelKey(buf), buf);
  }

  /** A new structure took the place of `old`, whose changes need not reach the disk any more. */
  supersede(old: Buf, cache: BufferCache): void {
    this.remove(old);
    if (old.dirty) cache.markClean(old);
  }

  /** About how many bytes of log the next checkpoint takes. */
  get bytes(): number {
    let total = 0;
    for (const buf of this.bufs) total += bufBytes(buf);
    for (const item of this.inodes.values()) total += 56 + 36 + inodeBytes(item);
    return total + this.icreates.length * 48 + this.dquots.size * 160 + this.cancels.size * 64;
  }

  /** Forgets everything: it is in the log. */
  clear(): void {
    for (const buf of this.bufs) {
      buf.chunks = null;
      buf.pinned = false;
      buf.logFlags &= ~LogFlag.INODE_ALLOC;
    }
    for (const item of this.inodes.values()) item.buf.pinned = false;
    for (const item of this.dquots.values()) item.buf.pinned = false;
    this.dquots.clear();
    this.bufs.clear();
    this.inodes.clear();
    this.icreates.length = 0;
    this.cancels.clear();
  }

  private remove(buf: Buf): void {
    this.bufs.delete(buf);
    buf.chunks = null;
    buf.pinned = false;
    buf.logFlags = 0;
    if (buf.ops.logType !== Blft.DINO) return;
    for (const item of this.inodes.values()) {
      if (item.buf === buf) this.inodes.delete(item.ino);
    }
  }
}

/** Addresses and lengths are whole sectors and a buffer is below 256 KiB, so that their sum in this form is unique. */
function cancelKey(buf: Buf): number {
  return buf.addr + buf.length / 512;
}

function inodeBytes(item: LoggedInode): number {
  return item.fields === InodeFields.core ? 176 : 512;
}

function bufBytes(buf: Buf): number {
  if (buf.chunks === null) return 0;
  let chunks = 0;
  for (const word of buf.chunks) {
    let bits = word | 0;
    while (bits !== 0) {
      bits &= bits - 1;
      chunks++;
    }
  }
  return 40 * buf.maps.length + chunks * (BLF_CHUNK + 6);
}
