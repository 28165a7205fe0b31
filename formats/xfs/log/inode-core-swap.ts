/**
 * The inode core between its two byte orders: big-endian on disk, the writer's own (little-endian) in the log. The
 * layout is the same, so that turning every field around is its own inverse (kernel: struct xfs_log_dinode).
 */
import { Dinode } from '../structure/dinode.ts';

/** What a v1/v2 core takes in the log: up to, without, next_unlinked. */
export const CORE_V2_SIZE = 96;

/** Widths of the integers of the core, in order; negative: that many bytes as they are. */
const V2_WIDTHS = [2, 2, 1, 1, 2, 4, 4, 4, 2, 2, -6, 2, -24, 8, 8, 4, 4, 2, 1, 1, 4, 2, 2, 4];
const V3_WIDTHS = [4, 4, 8, 8, 8, 4, -12, -8, 8, -16];
const TIMES_V2 = [Dinode.at.atime, Dinode.at.mtime, Dinode.at.ctime];
const TIMES_V3 = [...TIMES_V2, Dinode.at.crtime];

/** What decides how the core's unions are read. */
export interface CoreShape {
  readonly v3: boolean;
  /** 64-bit extent counters. */
  readonly large: boolean;
  readonly bigtime: boolean;
}

/** Turns every field of a core around, in place. */
export function swapCore(core: Uint8Array, shape: CoreShape): void {
  if (shape.large) {
    // The 64-bit counter lies over padding and flush counter; the common widths turn its last two bytes once more.
    core.subarray(24, 32).reverse();
    core.subarray(30, 32).reverse();
  }
  const at = swapWidths(core, 0, V2_WIDTHS);
  if (shape.v3) swapWidths(core, at, V3_WIDTHS);
  for (const time of shape.v3 ? TIMES_V3 : TIMES_V2) {
    if (shape.bigtime) core.subarray(time, time + 8).reverse();
    else {
      core.subarray(time, time + 4).reverse();
      core.subarray(time + 4, time + 8).reverse();
    }
  }
}

/** For each shape: which byte of the one order is byte 0, 1, … of the other. */
const orders: (Uint8Array | undefined)[] = [];

/** Copies a core of `size` bytes at `from` to `to`, every field turned around. */
export function copySwapped(
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  size: number,
  shape: CoreShape,
): void {
  const key = (shape.v3 ? 1 : 0) | (shape.large ? 2 : 0) | (shape.bigtime ? 4 : 0);
  let order = orders[key];
  if (order === undefined) {
    order = Uint8Array.from({ length: size }, (_, i) => i);
    swapCore(order, shape);
    orders[key] = order;
  }
  for (let i = 0; i < size; i++) target[to + i] = source[from + (order[i] as number)] as number;
}

function swapWidths(bytes: Uint8Array, start: number, widths: readonly number[]): number {
  let at = start;
  for (const width of widths) {
    if (width > 1) bytes.subarray(at, at + width).reverse();
    at += Math.abs(width);
  }
  return at;
}
