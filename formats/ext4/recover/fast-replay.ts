/**
 * Replaying fast commits, in memory: inodes are put into their tables, ranges into their trees, names into directories,
 * in the order of the tags; at the end the bitmaps say what the changed inodes have. What a tag names may be gone by
 * now: then there is nothing to do.
 *
 * Mirrors: fs/ext4/fast_commit.c (ext4_fc_replay and what it calls).
 */
import { FsError } from '../../../core/errors.ts';
import { decodeName } from '../../../core/vfs/names.ts';
import type { Changes } from '../alloc/changes.ts';
import { allocateBlock } from '../alloc/first-fit.ts';
import { markBlocks, markInode } from '../alloc/marks.ts';
import { addEntry, type DirSpace, initDirBlock } from '../dir/add.ts';
import { typeOfKind } from '../dir/form.ts';
import { findName, inoAt } from '../dir/lookup.ts';
import { removeEntry } from '../dir/remove.ts';
import type { Ext4Inode } from '../inode.ts';
import { entryName, type FastTag } from '../journal/fast-commits.ts';
import type { Ext4Mount } from '../mount.ts';
import { EXTENT_MAGIC, ExtentHeader, ROOT_ENTRIES, ROOT_SIZE } from '../structure/extent.ts';
import { FcAddRange, FcDelRange, FcDentry, FcInode, FcTag } from '../structure/fast-commit.ts';
import { DiskInode, InodeFlag } from '../structure/inode.ts';
import { FileExtents, readExtent } from './file-extents.ts';
import { freeInode } from './free-inode.ts';
import { editInode, setSectors } from './inode-edit.ts';
import { writeExtents } from './write-extents.ts';

/** Replays fast commits. @throws FsError EUCLEAN, EIO, ENOSPC, EOPNOTSUPP for what is not done in memory */
export function replayFastCommits(changes: Changes, tags: readonly FastTag[]): void {
  const replay = new FastReplay(changes, tags);
  for (const tag of tags) replay.take(tag);
  replay.finish();
}

interface Range {
  readonly start: number;
  readonly length: number;
}

class FastReplay {
  private readonly changes: Changes;
  private readonly mp: Ext4Mount;
  /** Inodes whose blocks must be marked at the end. */
  private readonly modified = new Set<number>();
  /** Blocks that may be nobody's any more. */
  private readonly freed: Range[] = [];
  /** Blocks that the tags give to files: nothing else may be put there. */
  private readonly taken: Range[] = [];
  private readonly space: DirSpace;

  constructor(changes: Changes, tags: readonly FastTag[]) {
    this.changes = changes;
    this.mp = changes.mp;
    for (const { tag, value } of tags) {
      if (tag !== FcTag.ADD_RANGE) continue;
      const { start, length } = readExtent(value, FcAddRange.at.ex);
      this.taken.push({ start, length });
    }
    this.space = {
      append: (dir) => this.appendBlock(dir),
      setIndexed: (dir) => editInode(changes, dir, (view, base) => addFlag(view, base, InodeFlag.INDEX)),
    };
  }

  take({ tag, value }: FastTag): void {
    if (tag === FcTag.INODE) this.inode(value);
    else if (tag === FcTag.ADD_RANGE) this.addRange(value);
    else if (tag === FcTag.DEL_RANGE) this.delRange(value);
    else if (tag === FcTag.CREAT) this.create(value);
    else if (tag === FcTag.LINK) this.link(value);
    else if (tag === FcTag.UNLINK) this.unlink(value);
  }

  /** What was freed is free unless a changed inode has it. */
  finish(): void {
    for (const { start, length } of this.freed) markBlocks(this.changes, start, length, false);
    for (const ino of this.modified) {
      const ip = this.get(ino);
      if (ip === null || !ip.has('EXTENTS')) continue;
      for (const { start, length } of blocksOf(new FileExtents(ip))) markBlocks(this.changes, start, length, true);
    }
  }

  /** An inode that can be used, or null. */
  private get(ino: number): Ext4Inode | null {
    try {
      return this.mp.inodes.get(ino);
    } catch (error) {
      if (error instanceof FsError && error.code !== 'EIO') return null;
      throw error;
    }
  }

  private inode(value: DataView): void {
    const { mp, changes } = this;
    const ino = FcInode.get.ino(value, 0);
    const before = this.get(ino);
    if (before?.has('EXTENTS')) this.freed.push(...blocksOf(new FileExtents(before)));
    this.modified.add(ino);
    mp.inodes.forget(ino);
    const ip = mp.inodes.read(ino);
    const { buf, base } = ip;
    changes.modify(buf);
    const raw = new Uint8Array(value.buffer, value.byteOffset + FcInode.size, value.byteLength - FcInode.size);
    const { block, generation } = DiskInode.at;
    buf.bytes.set(raw.subarray(0, block), base);
    buf.bytes.set(raw.subarray(generation), base + generation);
    if (ip.has('EXTENTS')) {
      if (ExtentHeader.get.magic(buf.view, ip.blockAt) !== EXTENT_MAGIC) emptyTree(buf.view, ip.blockAt);
    } else if (ip.has('INLINE_DATA')) buf.bytes.set(raw.subarray(block, generation), base + block);
    editInode(changes, ip, () => {});
    markInode(changes, ino, true, ip.kind === 'dir');
    const now = mp.inodes.get(ino);
    if (now.has('EXTENTS')) this.countBlocks(now, new FileExtents(now));
  }

  private countBlocks(ip: Ext4Inode, file: FileExtents): void {
    let blocks = 0;
    for (const { length } of blocksOf(file)) blocks += length;
    setSectors(this.changes, ip, (blocks * this.mp.blockSize) / 512);
  }

  private addRange(value: DataView): void {
    const ip = this.get(FcAddRange.get.ino(value, 0));
    if (ip === null || !ip.has('EXTENTS')) return;
    this.modified.add(ip.ino);
    const range = readExtent(value, FcAddRange.at.ex);
    const file = new FileExtents(ip);
    for (let done = 0; done < range.length; ) {
      const block = range.block + done;
      const left = range.length - done;
      const start = range.start + done;
      const known = file.at(block);
      let length: number;
      if (known === null) {
        length = Math.min(left, file.nextMapped(block) - block);
        file.insert({ block, length, start, unwritten: range.unwritten });
      } else {
        const offset = block - known.block;
        length = Math.min(left, known.length - offset);
        if (known.start + offset !== start) this.freed.push({ start: known.start + offset, length });
        file.update(block, length, start, range.unwritten);
        if (known.start + offset === start) file.shrink(range.block + range.length);
      }
      done += length;
    }
    file.shrink(Math.floor(ip.size / this.mp.blockSize));
    this.write(ip, file);
  }

  private delRange(value: DataView): void {
    const ip = this.get(FcDelRange.get.ino(value, 0));
    if (ip === null || !ip.has('EXTENTS')) return;
    this.modified.add(ip.ino);
    const block = FcDelRange.get.lblk(value, 0);
    const end = block + FcDelRange.get.len(value, 0);
    const file = new FileExtents(ip);
    for (const extent of file.all()) {
      const from = Math.max(block, extent.block);
      const to = Math.min(end, extent.block + extent.length);
      if (from < to) this.freed.push({ start: extent.start + (from - extent.block), length: to - from });
    }
    file.remove(block, end);
    file.shrink(Math.floor(ip.size / this.mp.blockSize));
    this.write(ip, file);
  }

  private write(ip: Ext4Inode, file: FileExtents): void {
    writeExtents(this.changes, ip, file, {
      allocate: () => this.allocate(ip),
      release: (block) => {
        this.changes.forget(block);
        this.freed.push({ start: block, length: 1 });
      },
    });
    ip.rootChecked = false;
  }

  private allocate(ip: Ext4Inode): number {
    const taken = (block: number): boolean =>
      this.taken.some(({ start, length }) => block >= start && block < start + length);
    return allocateBlock(this.changes, this.mp.groupOfIno(ip.ino), taken);
  }

  /** A block at the end of a directory, whose size grows by it. Linux does not count it among the inode's blocks either. */
  private appendBlock(dir: Ext4Inode): number {
    const { mp, changes } = this;
    if (!dir.has('EXTENTS')) throw new FsError('EOPNOTSUPP', { detail: `directory ${dir.ino} has no extents` });
    const start = this.allocate(dir);
    const file = new FileExtents(dir);
    const block = Math.floor(dir.size / mp.blockSize);
    const known = file.at(block);
    if (known !== null) throw new FsError('EUCLEAN', { detail: `directory ${dir.ino} has a block behind its end` });
    file.insert({ block, length: 1, start, unwritten: false });
    this.write(dir, file);
    this.modified.add(dir.ino);
    const size = (block + 1) * mp.blockSize;
    editInode(changes, dir, (view, base) => DiskInode.set.size_lo(view, base, size % 2 ** 32));
    return start;
  }

  private create(value: DataView): void {
    const ino = FcDentry.get.ino(value, 0);
    const ip = this.get(ino);
    if (ip === null) throw new FsError('EINVAL', { detail: `fast commit: inode ${ino} is not there` });
    markInode(this.changes, ino, true, ip.kind === 'dir');
    if (ip.kind === 'dir' && !this.startDir(ip, FcDentry.get.parent_ino(value, 0))) return;
    this.addLink(ip, value);
    editInode(this.changes, ip, (view, base) => DiskInode.set.links_count(view, base, 1));
  }

  /** False if it has blocks already: then Linux leaves it without a name. */
  private startDir(dir: Ext4Inode, parent: number): boolean {
    if (this.get(parent) === null || !dir.has('EXTENTS')) return false;
    const file = new FileExtents(dir);
    if (file.at(0) !== null) return false;
    editInode(this.changes, dir, (view, base) => DiskInode.set.size_lo(view, base, 0));
    initDirBlock(this.changes, dir, parent, typeOfKind(this.mp, 'dir'), this.space);
    return true;
  }

  private link(value: DataView): void {
    const ip = this.get(FcDentry.get.ino(value, 0));
    if (ip !== null) this.addLink(ip, value);
  }

  private addLink(ip: Ext4Inode, value: DataView): void {
    const dir = this.get(FcDentry.get.parent_ino(value, 0));
    if (dir === null || dir.kind !== 'dir') return;
    const name = entryName(value);
    if (findName(dir, decodeName(name)) !== null) return;
    addEntry(this.changes, dir, { name, ino: ip.ino, type: typeOfKind(this.mp, ip.kind) }, this.space);
    const now = this.now();
    editInode(this.changes, dir, (view, base) => setTimes(view, base, now, true));
    editInode(this.changes, ip, (view, base) => {
      DiskInode.set.links_count(view, base, DiskInode.get.links_count(view, base) + 1);
      setTimes(view, base, now, false);
    });
  }

  private unlink(value: DataView): void {
    const ip = this.get(FcDentry.get.ino(value, 0));
    const dir = this.get(FcDentry.get.parent_ino(value, 0));
    if (ip === null || dir === null || dir.kind !== 'dir') return;
    const place = findName(dir, decodeName(entryName(value)));
    if (place === null) return;
    const now = this.now();
    // Another inode has the name by now.
    if (inoAt(place) === ip.ino) {
      removeEntry(this.changes, dir, place);
      editInode(this.changes, dir, (view, base) => setTimes(view, base, now, true));
    }
    const left = Math.max(0, ip.nlink - 1);
    editInode(this.changes, ip, (view, base) => {
      DiskInode.set.links_count(view, base, left);
      setTimes(view, base, now, false);
    });
    if (left > 0) return;
    freeInode(this.changes, ip);
    this.modified.delete(ip.ino);
    this.mp.inodes.forget(ip.ino);
  }

  private now(): number {
    return Number(this.mp.options.now().seconds) >>> 0;
  }
}

/** Where a file's blocks and the nodes that lead to them lie. */
function* blocksOf(file: FileExtents): Generator<Range, void, undefined> {
  for (const { start, length } of file.all()) yield { start, length };
  for (const { node } of file.leaves) if (node > 0) yield { start: node, length: 1 };
  for (const node of file.inner) yield { start: node, length: 1 };
}

function emptyTree(view: DataView, at: number): void {
  new Uint8Array(view.buffer, view.byteOffset + at, ROOT_SIZE).fill(0);
  ExtentHeader.encode(view, at, { magic: EXTENT_MAGIC, max: ROOT_ENTRIES });
}

function addFlag(view: DataView, base: number, flag: number): void {
  DiskInode.set.flags(view, base, (DiskInode.get.flags(view, base) | flag) >>> 0);
}

function setTimes(view: DataView, base: number, seconds: number, content: boolean): void {
  DiskInode.set.ctime(view, base, seconds);
  if (content) DiskInode.set.mtime(view, base, seconds);
}
