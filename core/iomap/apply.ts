/**
 * The loop under every operation (kernel: iomap_iter): ask the file system for the mapping of what is left, let the
 * actor deal with the part that both mappings cover, tell the file system how much was dealt with, go on.
 *
 * An actor that fails after some progress returns that progress: the next round asks again, fails at once, and the
 * error comes out with `done` telling how far the operation got. A mapping that went stale before the actor could use
 * it is asked for again.
 */
import { FsError } from '../errors.ts';
import type { Inode } from '../vfs/inode.ts';
import { IomapFlag, type IomapOps, IomapType, Mapping } from './iomap.ts';
import { relievePressure } from './writeback.ts';

/** What an actor carries from one mapping to the next; `done` counts the bytes dealt with so far. */
export interface Progress {
  done: number;
}

/**
 * Deals with [pos, pos + length), which both mappings cover. Returns how many bytes it dealt with: less ends the
 * operation at 0, and asks for a new mapping otherwise.
 */
export type Actor<C extends Progress> = (
  context: C,
  inode: Inode,
  pos: number,
  length: number,
  iomap: Mapping,
  srcmap: Mapping,
  ops: IomapOps,
) => number;

/** A pair of mappings per depth of nesting: a file system may run an operation inside its begin(). */
const frames: { readonly iomap: Mapping; readonly srcmap: Mapping }[] = [];
let depth = 0;

/** A begin() that answers "stale" this often in a row, with nothing done between, is broken. */
const STALE_LIMIT = 1000;

/**
 * Runs `actor` over [pos, pos + length) of a file, mapping by mapping; `caller` names the operation in traces.
 * Adds to context.done; returns the bytes left over when the actor stopped. @throws FsError of ops or actor
 */
export function iomapApply<C extends Progress>(
  inode: Inode,
  pos: number,
  length: number,
  flags: number,
  ops: IomapOps,
  actor: Actor<C>,
  context: C,
  caller: string,
): number {
  if (depth === frames.length) frames.push({ iomap: new Mapping(), srcmap: new Mapping() });
  const { iomap, srcmap } = frames[depth++] as (typeof frames)[number];
  let stale = 0;
  try {
    inode.fs.tracer?.iter(inode, pos, length, 0, flags, caller);
    while (length > 0) {
      iomap.reset();
      srcmap.reset();
      ops.begin(inode, pos, length, flags, iomap, srcmap);
      if (inode.fs.tracer !== null) trace(inode, iomap, srcmap);
      const covered = clip(pos, length, iomap, srcmap);
      const done = act(inode, pos, covered, flags, ops, actor, context, iomap, srcmap);
      context.done += done;
      pos += done;
      length -= done;
      inode.fs.tracer?.iter(inode, pos, covered - done, 0, flags, caller);
      stale = done === 0 ? stale + 1 : 0;
      if (done === 0 && ((iomap.flags & IomapFlag.STALE) === 0 || stale > STALE_LIMIT)) break;
      if (inode.pages.pool.overLimit) relievePressure(inode);
    }
  } finally {
    depth--;
  }
  return length;
}

function act<C extends Progress>(
  inode: Inode,
  pos: number,
  length: number,
  flags: number,
  ops: IomapOps,
  actor: Actor<C>,
  context: C,
  iomap: Mapping,
  srcmap: Mapping,
): number {
  let done = 0;
  let failed = true;
  try {
    done = actor(context, inode, pos, length, iomap, srcmap, ops);
    failed = false;
  } finally {
    if (ops.end !== undefined) endAfter(inode, pos, length, done, flags, ops, iomap, failed);
  }
  return done;
}

/** Tells the file system how it went; the actor's error, if any, is the one to report. */
function endAfter(
  inode: Inode,
  pos: number,
  length: number,
  done: number,
  flags: number,
  ops: IomapOps,
  iomap: Mapping,
  failed: boolean,
): void {
  try {
    ops.end?.(inode, pos, length, done, flags, iomap);
  } catch (error) {
    if (!failed) throw error;
  }
}

/** The part of [pos, pos + length) that both mappings cover. @throws FsError EIO if a mapping misses `pos` */
function clip(pos: number, length: number, iomap: Mapping, srcmap: Mapping): number {
  let end = Math.min(pos + length, iomap.offset + iomap.length);
  if (srcmap.type !== IomapType.UNSET) end = Math.min(end, srcmap.offset + srcmap.length);
  if (iomap.type === IomapType.UNSET || iomap.offset > pos || end <= pos || srcmap.offset > pos) {
    throw new FsError('EIO', { detail: `mapping ${iomap.offset}+${iomap.length} does not cover ${pos}` });
  }
  return end - pos;
}

function trace(inode: Inode, iomap: Mapping, srcmap: Mapping): void {
  inode.fs.tracer?.dstmap(inode, iomap);
  if (srcmap.type !== IomapType.UNSET && srcmap.type !== IomapType.HOLE) inode.fs.tracer?.srcmap(inode, srcmap);
}

/** The mapping that old bytes are read from. */
export function sourceOf(iomap: Mapping, srcmap: Mapping): Mapping {
  return srcmap.type === IomapType.UNSET ? iomap : srcmap;
}

/** True if old bytes of the block at `blockPos` are zeros: nothing was ever written there, or it lies beyond EOF. */
export function needsZeroing(inode: Inode, source: Mapping, blockPos: number): boolean {
  if (source.type !== IomapType.MAPPED) return true;
  return (source.flags & IomapFlag.NEW) !== 0 || blockPos >= inode.size;
}
