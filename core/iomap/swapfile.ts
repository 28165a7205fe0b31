/**
 * What swapon would make of a file (kernel: fs/iomap/swapfile.c): physical extents trimmed to whole pages. Written or
 * unwritten makes no difference; everything whose place could change or is not there is refused.
 */
import { FsError } from '../errors.ts';
import type { Inode } from '../vfs/inode.ts';
import { PAGE_SIZE } from '../vfs/page-pool.ts';
import { type Actor, iomapApply, type Progress } from './apply.ts';
import { IomapFlag, IomapOp, IomapType, type Mapping } from './iomap.ts';

/** Swap pages [page, page + pages) lie at device byte `addr`. Numbers are pages but for `addr`. */
export interface SwapExtent {
  /** Its first page of the swap space. */
  readonly page: number;
  /** How many they are, of 4096 bytes. */
  readonly pages: number;
  /** Device byte where they lie. */
  readonly addr: number;
}

/** Where a piece of a file lies. */
export interface SwapPlace {
  readonly device: object | null;
  /** Byte of the device, and bytes that lie there together. */
  readonly addr: number;
  readonly length: number;
  /** What Linux says of a piece on another device. */
  readonly elsewhere: string;
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
  device: object | null;
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
  if (context.pages === 1) refuse('Empty swap-file');
  return { extents: context.extents, pages: context.pages, span: 1 + context.highest - context.lowest };
}

const actor: Actor<SwapContext> = (context, inode, pos, length, iomap) => {
  const place = inode.swapPlace?.(iomap, pos) ?? placeOf(iomap, pos);
  const taken = Math.min(length, place.length);
  context.device ??= place.device;
  if (context.device !== place.device) refuse(place.elsewhere);
  if (context.length > 0 && context.addr + context.length === place.addr) {
    context.length += taken;
    return taken;
  }
  if (context.length > 0) addExtent(context);
  context.addr = place.addr;
  context.length = taken;
  context.offset = pos;
  return taken;
};

function placeOf({ type, flags, addr, offset, length, device }: Mapping, pos: number): SwapPlace {
  if (type === IomapType.INLINE) refuse('is inline');
  if (type !== IomapType.MAPPED && type !== IomapType.UNWRITTEN) refuse('has unallocated extents');
  if ((flags & IomapFlag.DIRTY) !== 0) refuse('is not committed');
  if ((flags & IomapFlag.SHARED) !== 0) refuse('has shared extents');
  const skipped = pos - offset;
  return { device, addr: addr + skipped, length: length - skipped, elsewhere: 'outside the main device' };
}

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
