/**
 * The blocks of the directories and attribute trees used last, by their place in the fork: without it every step
 * would search the fork's extents and check the owner again. What it says holds as long as no mapping of the inode
 * changed (its sequence number) and the block is in the buffer cache. Few inodes and few bytes are remembered.
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import type { BtreeFork } from '../btree/cursor.ts';
import type { XfsInode } from '../inode.ts';

/** How a directory is stored. */
export type DirForm = 'short' | 'block' | 'leaf' | 'node';

const INODES = 4;
const BYTES = 2 * 1024 * 1024;

export class RecentBlocks {
  ip: XfsInode | null = null;
  sequence = 0;
  /** The directory's form, which follows from its mappings. */
  form: DirForm | null = null;
  /** Where the data fork's last extent ends, in blocks; -1 if not asked yet. */
  end = -1;
  private readonly blocks = new Map<number, Buf>();

  reset(ip: XfsInode): void {
    this.ip = ip;
    this.sequence = ip.sequence;
    this.form = null;
    this.end = -1;
    this.blocks.clear();
  }

  find(fork: BtreeFork, block: number, ops: BufOps): Buf | null {
    const buf = this.blocks.get(keyOf(fork, block));
    if (buf === undefined || !buf.cached || (buf.ops !== ops && buf.verifiedAs !== ops)) return null;
    buf.used = true;
    return buf;
  }

  note(fork: BtreeFork, block: number, buf: Buf): void {
    if (this.blocks.size * buf.length > BYTES) this.blocks.clear();
    this.blocks.set(keyOf(fork, block), buf);
  }
}

const keyOf = (fork: BtreeFork, block: number): number => (fork === 'attr' ? -1 - block : block);

const recent = Array.from({ length: INODES }, () => new RecentBlocks());
let next = 0;

/** What is remembered of an inode; true now. */
export function recentBlocks(ip: XfsInode): RecentBlocks {
  for (const entry of recent) {
    if (entry.ip !== ip) continue;
    if (entry.sequence !== ip.sequence) entry.reset(ip);
    return entry;
  }
  const entry = recent[next] as RecentBlocks;
  next = (next + 1) % INODES;
  entry.reset(ip);
  return entry;
}
