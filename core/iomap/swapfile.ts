/**
 * What swapon would make of a file (kernel: fs/iomap/swapfile.c): physical extents trimmed to whole pages. Written or
 * unwritten makes no difference; everything whose place could change or is not there is refused.
 */
import type { Device } from '../device/device.ts';
import { FsError } from '../errors.ts';
import type { Inode } from '../vfs/inode.ts';
import { PAGE_SIZE } from '../vfs/page-cache.ts';
import { type Actor, iomapApply, type Progress } from './apply.ts';
import { IomapFlag, IomapOp, IomapType } from './iomap.ts';

/** Swap pages [page, page + pages) lie at device byte `addr`. Numbers are pages but for `addr`. */
export interface SwapExtent {
  readonly page: number;
  readonly pages: number;
  readonly addr: number;
}

export interface SwapLayout {
  readonly extents: readonly SwapExtent[];
  /** Pages in all, the header page included. */
  readonly pages: number;
  /** Pages from the lowest to the highest place used, the header page left out. */
  readonly span: number;
}

interface SwapContext extends Progress {
  readonly extents: SwapExtent[];
  device: Device | null;
  pages: number;
  lowest: number;
  highest: number;
  /** The physical run gathered so far. */
  addr: number;
  length: number;
  offset: number;
}

/** The extents that the kernel would swap to. @throws FsError EINVAL with the kernel's reason as detail */
export function swapfileActivate(inode: Inode): SwapLayout {
  inode.fsync(true);
  const context: SwapContext = {
    done: 0,
    extents: [],
    device: null,
    pages: 0,
    lowest: Number.POSITIVE_INFINITY,
    highest: 0,
    addr: 0,
    length: 0,
    offset: 0,
  };
  const length = inode.size - (inode.size % PAGE_SIZE);
  iomapApply(inode, 0, length, IomapOp.REPORT, inode.iomap.read, actor, context, 'iomap_swapfile_activate');
  if (context.length > 0) addExtent(context);
  if (context.pages === 0) refuse('Cannot find a single usable page in file.');
  return { extents: context.extents, pages: context.pages, span: 1 + context.highest - context.lowest };
}

const actor: Actor<SwapContext> = (context, _inode, _pos, length, iomap) => {
  if (iomap.type === IomapType.INLINE) refuse('is inline');
  if (iomap.type !== IomapType.MAPPED && iomap.type !== IomapType.UNWRITTEN) refuse('has unallocated extents');
  if ((iomap.flags & IomapFlag.DIRTY) !== 0) refuse('is not committed');
  if ((iomap.flags & IomapFlag.SHARED) !== 0) refuse('has shared extents');
  context.device ??= iomap.device;
  if (context.device !== iomap.device) refuse('outside the main device');
  if (context.length > 0 && context.addr + context.length === iomap.addr) {
    context.length += iomap.length;
    return length;
  }
  if (context.length > 0) addExtent(context);
  context.addr = iomap.addr;
  context.length = iomap.length;
  context.offset = iomap.offset;
  return length;
};

function addExtent(context: SwapContext): void {
  const first = Math.ceil(context.addr / PAGE_SIZE);
  const next = Math.floor((context.addr + context.length) / PAGE_SIZE);
  if (first >= next) return;
  // The first page holds the swap header and is never swapped to.
  context.lowest = Math.min(context.lowest, context.offset === 0 ? first + 1 : first);
  context.highest = Math.max(context.highest, next - 1);
  context.extents.push({ page: context.pages, pages: next - first, addr: first * PAGE_SIZE });
  context.pages += next - first;
}

function refuse(reason: string): never {
  throw new FsError('EINVAL', { detail: reason });
}
