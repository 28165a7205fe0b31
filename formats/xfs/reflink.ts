/**
 * Sharing blocks between files: the target's range is unmapped and the source's extents are mapped there too, one
 * extent a step, each step with its reference counts in one transaction.
 *
 * Checks follow the VFS: whole blocks, except that a source range may end at the end of its file when the target
 * then ends there too; no overlap within one file; both files clean on the device first.
 *
 * Mirrors: fs/xfs/xfs_reflink.c (xfs_reflink_remap_prep, xfs_reflink_remap_extent), fs/remap_range.c.
 */
import { corrupt, FsError } from '../../core/errors.ts';
import { zeroRange } from '../../core/iomap/write.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import { refcountDecrease, refcountIncrease } from './alloc/refcount.ts';
import { mapExtent, unmapExtent } from './bmap-edit.ts';
import { extentAddBlocks } from './bmap-limits.ts';
import { punchDelalloc } from './delalloc.ts';
import { DELAY, Extent, HOLE, MAX_FILE_BYTES } from './extent.ts';
import { readMapping } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { inodeFlags2, isReflinked, setDiskSize, setFlags2 } from './inode-core.ts';
import { logInode } from './inode-pin.ts';
import { checkWritable, touchInode } from './inode-write.ts';
import type { XfsMount } from './mount.ts';
import { Agf } from './structure/ag.ts';
import { DiFlag2, Dinode } from './structure/dinode.ts';
import type { Trans } from './trans.ts';

/** Steps in one transaction. */
const BATCH = 32;
/** Transactions that belong to one checkpoint. */
const REST = 64;

/**
 * Shares `length` bytes (0: to the end of the source) of `source` at `sourcePos` with `target` at `pos`.
 * @throws FsError EOPNOTSUPP, EISDIR, EINVAL, EPERM, EFBIG, ENOSPC
 */
export function reflinkInode(target: XfsInode, source: XfsInode, sourcePos: number, pos: number, length: number): void {
  checkFiles(target, source);
  const count = checkRange(target, source, sourcePos, pos, length);
  if (count === 0) return;
  prepare(target, source, sourcePos, pos, count);
  const { log, blockSize } = target.mp;
  log.beginAtomic();
  try {
    const from = sourcePos / blockSize;
    remapRange(target, source, from, pos / blockSize, Math.ceil(count / blockSize), pos + count);
    finish(target, source, sourcePos, pos, count);
  } finally {
    log.endAtomic();
  }
}

function checkFiles(target: XfsInode, source: XfsInode): void {
  if (source.mp !== target.mp) throw new FsError('EXDEV');
  if (source.kind === 'dir' || target.kind === 'dir') throw new FsError('EISDIR');
  if (source.kind !== 'file' || target.kind !== 'file') throw new FsError('EINVAL');
  if (!target.mp.features.reflink) throw new FsError('EOPNOTSUPP', { detail: 'the image has no reflink' });
  checkWritable(target);
  if (source.realtime || target.realtime) throw new FsError('EINVAL', { detail: 'a file is on the realtime device' });
}

/** The bytes to share: `length`, or what is there. @throws FsError EINVAL, EFBIG */
function checkRange(target: XfsInode, source: XfsInode, sourcePos: number, pos: number, length: number): number {
  const { blockSize } = target.mp;
  const invalid = (detail: string) => new FsError('EINVAL', { detail });
  if (sourcePos < 0 || pos < 0 || length < 0) throw invalid('negative position or length');
  let count = length;
  if (count === 0) {
    if (sourcePos > source.size) throw invalid('the range starts beyond the source file');
    count = source.size - sourcePos;
    if (count === 0) return 0;
  }
  if (sourcePos % blockSize !== 0 || pos % blockSize !== 0) throw invalid(`not a multiple of ${blockSize} bytes`);
  if (sourcePos >= source.size || sourcePos + count > source.size) throw invalid('the range ends beyond the source file');
  if (pos + count > MAX_FILE_BYTES || pos + count > Number.MAX_SAFE_INTEGER) throw new FsError('EFBIG');
  const toEof = sourcePos + count === source.size;
  if (!toEof && count % blockSize !== 0) throw invalid(`not a multiple of ${blockSize} bytes`);
  const whole = Math.ceil(count / blockSize) * blockSize;
  if (source.ino === target.ino && pos + whole > sourcePos && pos < sourcePos + whole) throw invalid('ranges overlap');
  // The tail of the source's last block must not become visible inside the target.
  if (count % blockSize !== 0 && pos + count < target.size) throw invalid('a partial block would end inside the file');
  return count;
}

/** Both files clean, reflink flags set, the target's pages gone. */
function prepare(target: XfsInode, source: XfsInode, sourcePos: number, pos: number, count: number): void {
  const { blockSize } = target.mp;
  writeback(source, sourcePos, sourcePos + count);
  writeback(target, pos, pos + count);
  touchInode(target);
  const size = target.size;
  if (pos > size) zeroRange(target, size, pos - size);
  setReflinkFlags(target, source);
  const from = Math.floor(Math.min(pos, size) / blockSize) * blockSize;
  const to = Math.ceil((pos + count) / Math.max(4096, blockSize)) * Math.max(4096, blockSize);
  writeback(target, from, to);
  target.pages.invalidate(Math.floor(from / Math.max(4096, blockSize)) * Math.max(4096, blockSize), to);
}

function setReflinkFlags(target: XfsInode, source: XfsInode): void {
  if (isReflinked(target) && isReflinked(source)) return;
  target.mp.transact('reflink flag', (tp) => {
    for (const ip of [source, target]) {
      if (isReflinked(ip)) continue;
      logInode(tp, ip);
      setFlags2(ip, inodeFlags2(ip) | DiFlag2.REFLINK);
    }
  });
}

const sourceMap = new Extent();
const targetMap = new Extent();
const mapped = new Extent();

/** Shares `count` blocks extent by extent; the size follows as far as it got. */
export function remapRange(
  target: XfsInode,
  source: XfsInode,
  from: number,
  to: number,
  count: number,
  newSize: number,
): void {
  const { mp } = target;
  let done = 0;
  let batches = 0;
  while (done < count) {
    const start = done;
    const held = BATCH * extentAddBlocks(mp);
    mp.space.reserve(held);
    try {
      done = mp.transact('reflink', (tp) => {
        let next = start;
        for (let i = 0; i < BATCH && next < count; i++) {
          next += remapOne(tp, target, source, from + next, to + next, count - next, newSize);
        }
        return next;
      });
    } finally {
      mp.space.unreserve(held);
    }
    target.setMemorySize(Math.max(target.size, Math.min((to + done) * mp.blockSize, newSize)));
    // A range too long for one checkpoint: each extent so far is shared or not, a crash may fall here.
    if (++batches % REST === 0) {
      mp.log.endAtomic();
      mp.log.beginAtomic();
    }
  }
}

/** One step: as many blocks as lie in one extent (or hole) of both files. @returns how many */
function remapOne(
  tp: Trans,
  target: XfsInode,
  source: XfsInode,
  from: number,
  to: number,
  count: number,
  newSize: number,
): number {
  readMapping(source, from, count, sourceMap);
  if (sourceMap.block === DELAY) {
    throw corrupt({ structure: `inode ${source.ino}`, rule: `delayed extent at file block ${from} after writeback` });
  }
  readMapping(target, to, sourceMap.count, targetMap);
  const n = targetMap.count;
  if (sourceMap.block === targetMap.block) {
    if (sourceMap.block !== HOLE && sourceMap.unwritten !== targetMap.unwritten) {
      throw corrupt({ structure: `inode ${target.ino}`, rule: `block ${sourceMap.block} is both written and unwritten` });
    }
    return n;
  }
  if (sourceMap.unwritten && targetMap.unwritten) return n;
  logInode(tp, target);
  const share = sourceMap.written;
  if (share && target.mp.features.rmapbt && agLowOnSpace(target.mp, target.mp.fsbToAgno(sourceMap.block))) {
    throw new FsError('ENOSPC');
  }
  if (targetMap.real) {
    unmapExtent(tp, target, 'data', to, n);
    refcountDecrease(tp, targetMap.block, n);
  } else if (targetMap.block === DELAY) punchDelalloc(target, 'data', to, to + n);
  if (share) {
    refcountIncrease(tp, sourceMap.block, n);
    mapExtent(tp, target, 'data', mapped.set(to, sourceMap.block, n, false));
  }
  const reached = Math.min((to + n) * target.mp.blockSize, newSize);
  if (reached > target.size) setDiskSize(target, reached);
  return n;
}

/** Too little is left in the AG for the reverse map to grow (kernel: xfs_reflink_ag_has_free_space). */
function agLowOnSpace(mp: XfsMount, agno: number): boolean {
  const { view } = mp.agf(agno);
  const free = Agf.get.freeblks(view, 0) + Agf.get.flcount(view, 0) - mp.space.heldBack(agno, 'rmapbt');
  return free < Math.max(10, mp.space.heldBack(agno, 'metadata') / 10);
}

/** The target may have become longer than its last mapped block; a whole clone carries the CoW hint along. */
function finish(target: XfsInode, source: XfsInode, sourcePos: number, pos: number, count: number): void {
  const newSize = pos + count;
  const hinted = (ip: XfsInode): boolean => (inodeFlags2(ip) & DiFlag2.COWEXTSIZE) !== 0;
  const whole = sourcePos === 0 && count === source.size && pos === 0 && count >= target.size;
  const carry = whole && hinted(source) && !hinted(target);
  if (newSize <= target.size && !carry) return;
  target.mp.transact('reflink size', (tp) => {
    logInode(tp, target);
    if (newSize > target.size) setDiskSize(target, newSize);
    if (carry) {
      const hint = Dinode.get.cowextsize(source.buf.view, source.base);
      Dinode.set.cowextsize(target.buf.view, target.base, hint);
      setFlags2(target, inodeFlags2(target) | DiFlag2.COWEXTSIZE);
    }
  });
  target.setMemorySize(Math.max(target.size, newSize));
}
