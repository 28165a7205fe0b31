/**
 * The inodes in use: a bounded cache of windows by number, and the states of those that memory knows more about than
 * the disk. iget() verifies an inode before anyone sees it (kernel: xfs_iget, xfs_inode_from_disk).
 */
import { FsError } from '../../core/errors.ts';
import { writebackFiles } from '../../core/iomap/writeback.ts';
import { POS_END } from '../../core/positions.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { XfsInode } from './inode.ts';
import { inodeBuffer } from './inode-buffer.ts';
import { InodeState } from './inode-state.ts';
import type { XfsMount } from './mount.ts';
import { freeEofBlocks } from './release.ts';
import { Dinode, dinodeIsMetadata } from './structure/dinode.ts';
import { checkInode } from './verify/dinode.ts';

const MAX_WINDOWS = 8192;
const MAX_STATES = 512;
/** Closed files whose data waits in memory. */
const MAX_WAITING = 256;

export class InodeTable {
  private readonly mp: XfsMount;
  private readonly fs: Filesystem;
  private readonly windows = new Map<number, XfsInode>();
  private readonly states = new Map<number, InodeState>();
  // When most of a table must stay, the next look for what may go waits until it has doubled.
  private windowLimit = MAX_WINDOWS;
  private stateLimit = MAX_STATES;
  private waiting: InodeState[] = [];

  constructor(mp: XfsMount, fs: Filesystem) {
    this.mp = mp;
    this.fs = fs;
  }

  /** The inode with this number. @throws FsError ENOENT free, EINVAL no inode number of this image, EUCLEAN damaged */
  get(ino: number): XfsInode {
    const known = this.windows.get(ino);
    if (known !== undefined) return known;
    const { buf, base } = inodeBuffer(this.mp, ino);
    if (Dinode.get.mode(buf.view, base) === 0) throw new FsError('ENOENT', { detail: `inode ${ino} is free` });
    const ip = new XfsInode(this.mp, this.fs, ino, buf, base);
    checkInode(ip);
    // Files of the metadata directory tree are nobody's to open.
    if (dinodeIsMetadata(buf.view, base))
      throw new FsError('ENOENT', { detail: `inode ${ino} is the file system's own` });
    return this.add(ip);
  }

  /** The window on an inode that a running transaction makes: nothing is checked. */
  create(ino: number): XfsInode {
    const { buf, base } = inodeBuffer(this.mp, ino);
    return this.add(new XfsInode(this.mp, this.fs, ino, buf, base));
  }

  /** Forgets an inode that was freed, or whose creation was cancelled. */
  forget(ino: number): void {
    this.windows.delete(ino);
    const state = this.states.get(ino);
    if (state === undefined) return;
    state.dead = true;
    this.states.delete(ino);
  }

  /** The state of an inode, made on first use. */
  state(ip: XfsInode): InodeState {
    let state = this.states.get(ip.ino);
    if (state === undefined) {
      if (this.states.size >= this.stateLimit) this.pruneStates();
      state = new InodeState(ip);
      this.states.set(ip.ino, state);
    }
    return state;
  }

  /** The state of an inode if it has one. */
  peekState(ino: number): InodeState | null {
    return this.states.get(ino) ?? null;
  }

  /**
   * The last user of a file with dirty pages closed it. They wait for more, as Linux lets them wait; when many files do,
   * all of them are written, so that memory holds few of the files that a long script makes.
   */
  closedDirty(state: InodeState): void {
    if (state.waiting) return;
    state.waiting = true;
    this.waiting.push(state);
    if (this.waiting.length < MAX_WAITING) return;
    const files: XfsInode[] = [];
    for (const waiting of this.waiting) {
      waiting.waiting = false;
      if (waiting.users === 0 && !waiting.dead) files.push(waiting.pages.inode as XfsInode);
    }
    this.waiting = [];
    writebackFiles(files);
    for (const ip of files) if (this.peekState(ip.ino)?.keepsEof === true) freeEofBlocks(ip);
  }

  /** Inodes whose pages, reservations or size are not all on disk. */
  *changed(): IterableIterator<XfsInode> {
    for (const [ino, state] of [...this.states]) if (state.changed && !state.dead) yield this.get(ino);
  }

  private add(ip: XfsInode): XfsInode {
    if (this.windows.size >= this.windowLimit) this.pruneWindows();
    this.windows.set(ip.ino, ip);
    return ip;
  }

  /** Windows hold no state: the oldest half may go, whoever still has one keeps a true view of the same inode. */
  private pruneWindows(): void {
    let drop = this.windows.size / 2;
    for (const ino of this.windows.keys()) {
      if (drop-- <= 0) break;
      // Open files are told apart by their inode object: there must be one.
      if (this.states.get(ino)?.needed !== true) this.windows.delete(ino);
    }
    this.windowLimit = Math.max(MAX_WINDOWS, this.windows.size * 2);
  }

  private pruneStates(): void {
    let drop = this.states.size / 2;
    for (const [ino, state] of this.states) {
      if (state.needed) continue;
      state.dead = true;
      state.pages.invalidate(0, POS_END);
      this.states.delete(ino);
      if (--drop <= 0) break;
    }
    this.stateLimit = Math.max(MAX_STATES, this.states.size * 2);
  }
}
