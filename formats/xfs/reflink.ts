/**
 * Sharing blocks between files: the target's range is unmapped and the source's extents are mapped there too, one
 * extent a step, each step with its reference counts in one transaction.
 *
 * Both files are clean on the device first; what may be shared with what is in core/vfs/remap.ts.
 *
 * Mirrors: fs/xfs/xfs_reflink.c (xfs_reflink_remap_prep, xfs_reflink_remap_extent), fs/remap_range.c.
 */
import { corrupt, FsError } from '../../core/errors.ts';
import { zeroRange } from '../../core/iomap/write.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import { step } from '../../core/steps.ts';
import { checkRemapRange, type RemapKind, sameBytes } from '../../core/vfs/remap.ts';
import { refcountDecrease, refcountIncrease } from './alloc/refcount.ts';
import { mayHaveBeenCut, refcountReach } from './alloc/refcount-reach.ts';
import { atomically } from './atomic-work.ts';
import { mapExtent, unmapExtent } from './bmap-edit.ts';
import { extentAddBlocks } from './bmap-limits.ts';
import { punchDelalloc } from './delalloc.ts';
import { DELAY, Extent, HOLE } from './extent.ts';
import { readMapping } from './fork-view.ts';
import type { XfsInode } from './inode.ts';
import { diskSize, inodeFlags2, isReflinked, setDiskSize, setFlags2 } from './inode-core.ts';
import { logInode } from './inode-pin.ts';
import { touchInode } from './inode-write.ts';
import { reserveRoom } from './make-room.ts';
import type { XfsMount } from './mount.ts';
import { ReflinkRun } from './reflink-run.ts';
import { checkRemapFiles } from './remap-checks.ts';
import { Agf } from './structure/ag.ts';
import { DiFlag2, Dinode } from './structure/dinode.ts';
import type { Trans } from './trans.ts';

/** Steps in one transaction. */
const BATCH = 32;

/**
 * Shares `length` bytes (0: to the end of the source) of `source` at `sourcePos` with `target` at `pos`; less where
 * `kind` allows. Returns the bytes shared. @throws FsError EOPNOTSUPP, EISDIR, EINVAL, EPERM, EFBIG, ENOSPC
 */
export function reflinkInode(
  target: XfsInode,
  source: XfsInode,
  sourcePos: number,
  pos: number,
  length: number,
  kind: RemapKind = 'clone',
): number {
  checkRemapFiles(target, source);
  const count = checkRemapRange({ target, source, sourcePos, pos, length, kind }, target.mp.blockSize);
  if (count === 0) return 0;
  prepare(target, source, sourcePos, pos, count, kind !== 'dedupe');
  const { blockSize } = target.mp;
  atomically(target.mp, (rest) => {
    const from = sourcePos / blockSize;
    remapRange(target, source, from, pos / blockSize, Math.ceil(count / blockSize), pos + count, rest);
    finish(target, source, sourcePos, pos, count);
  });
  return count;
}

/**
 * Shares a range if both files hold the same bytes there; null if they do not. Returns the bytes shared.
 * @throws FsError as reflinkInode()
 */
export function dedupeInode(
  target: XfsInode,
  source: XfsInode,
  sourcePos: number,
  pos: number,
  length: number,
): number | null {
  checkRemapFiles(target, source);
  const count = checkRemapRange({ target, source, sourcePos, pos, length, kind: 'dedupe' }, target.mp.blockSize);
  writeback(source, sourcePos, sourcePos + count);
  writeback(target, pos, pos + count);
  if (!sameBytes(source, sourcePos, target, pos, count)) return null;
  return count === 0 ? 0 : reflinkInode(target, source, sourcePos, pos, count, 'dedupe');
}

/** Both files clean, reflink flags set, the target's pages gone. */
function prepare(
  target: XfsInode,
  source: XfsInode,
  sourcePos: number,
  pos: number,
  count: number,
  changes: boolean,
): void {
  const { blockSize } = target.mp;
  writeback(source, sourcePos, sourcePos + count);
  writeback(target, pos, pos + count);
  if (changes) touchInode(target);
  const size = target.size;
  if (pos > size) zeroRange(target, size, pos - size);
  setReflinkFlags(target, source);
  const unit = Math.max(4096, blockSize);
  const from = Math.floor(Math.min(pos, size) / unit) * unit;
  const to = Math.ceil((pos + count) / unit) * unit;
  writeback(target, from, to);
  target.pages.invalidate(from, to);
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
  rest: () => void,
): void {
  const { mp } = target;
  const run = new ReflinkRun(source, target);
  let done = 0;
  while (done < count) {
    step(done, count);
    const start = done;
    // Where space is short, an extent at a time: one needs no more than what its mapping may take.
    const each = extentAddBlocks(mp);
    const batch = Math.max(1, Math.min(BATCH, Math.floor(mp.space.available / each)));
    const held = batch * each;
    reserveRoom(mp, held);
    try {
      done = mp.transact('reflink', (tp) => {
        const whole = batch === BATCH;
        let next = start + (whole ? run.share(tp, from + start, from + count, to + start, newSize) : 0);
        if (next > start) return next;
        for (let i = 0; i < batch && next < count; i++) {
          const n = remapOne(tp, target, source, from + next, to + next, count - next, newSize);
          next += n;
          if (mayHaveBeenCut(n)) break;
        }
        return next;
      });
    } finally {
      mp.space.unreserve(held);
    }
    if (diskSize(target) > target.size) target.setMemorySize(diskSize(target));
    // Each extent so far is shared or not: where the range is too long for one checkpoint, a crash may fall here.
    rest();
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
  let n = targetMap.count;
  if (targetMap.real) n = refcountReach(target.mp, targetMap.block, n, 'start');
  if (sourceMap.written) n = refcountReach(target.mp, sourceMap.block, n, 'start');
  if (sourceMap.block === targetMap.block) {
    if (sourceMap.block !== HOLE && sourceMap.unwritten !== targetMap.unwritten) {
      throw corrupt({
        structure: `inode ${target.ino}`,
        rule: `block ${sourceMap.block} is both written and unwritten`,
      });
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
