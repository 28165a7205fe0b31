/**
 * What memory knows of an inode beyond its bytes: cached pages, reservations, a size that is not on disk yet.
 * XfsInode objects are windows that hold nothing themselves; all windows on one inode share one state, which the
 * table may forget when it says nothing that the disk does not.
 */
import { PageCache } from '../../core/vfs/page-cache.ts';
import type { XfsInode } from './inode.ts';
import { Reservations } from './reservations.ts';

let lastSequence = 0;

export class InodeState {
  readonly pages: PageCache;
  /** File size in bytes as readers see it, or -1 while it is what the disk says. */
  size = -1;
  /** How many open files use the inode. */
  users = 0;
  /** Changes whenever a mapping changes; never the same for two states. */
  sequence = ++lastSequence;
  /** The log's item when only times changed in it: nothing that fsync must wait for. */
  timesOnly: object | null = null;
  /** The file was cut since it was last written back: closing it writes what replaces the old bytes. */
  truncated = false;
  /** Preallocation beyond EOF was given back when a writer closed the file: that is not done a second time. */
  eofReleased = false;
  /** Preallocation beyond EOF outlived the close of the file. */
  keepsEof = false;
  /** In the table's list of closed files to be written. */
  waiting = false;
  /** True when the table forgot it: windows look for the new one. */
  dead = false;
  private delayed: Reservations | null = null;
  private staged: Reservations | null = null;

  constructor(ip: XfsInode) {
    this.pages = new PageCache(ip, ip.mp.blockSize);
  }

  /** Delayed allocations of the data fork. */
  get delalloc(): Reservations {
    this.delayed ??= new Reservations();
    return this.delayed;
  }

  /** The CoW fork. */
  get cow(): Reservations {
    this.staged ??= new Reservations();
    return this.staged;
  }

  mappingsChanged(): void {
    this.sequence = ++lastSequence;
  }

  /** True if forgetting it would lose something. */
  get needed(): boolean {
    return this.users > 0 || this.changed;
  }

  /** True if the disk does not know all of it yet. */
  get changed(): boolean {
    return this.pages.dirtyBytes > 0 || this.reserves || this.size >= 0 || this.keepsEof;
  }

  /** Blocks are promised to it. */
  get reserves(): boolean {
    return (this.delayed !== null && this.delayed.size > 0) || (this.staged !== null && this.staged.size > 0);
  }
}
