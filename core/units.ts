/**
 * Unit types for the places where units meet. Plain `number` means bytes. A branded number is still a number at
 * run time; converting is the owner's job (an XfsMount for FsBlock, a chunk tree for Logical).
 */
declare const unit: unique symbol;
type Unit<U extends string> = number & { readonly [unit]?: U };

/** A file-system block number as XFS packs it: agno << agblklog | agbno. */
export type FsBlock = Unit<'fsb'>;
/** A block number inside an allocation group. */
export type AgBlock = Unit<'agbno'>;
/** An allocation group number. */
export type AgNumber = Unit<'agno'>;
/** A 512-byte sector address. */
export type Daddr = Unit<'daddr'>;
/** A block offset inside a file. */
export type FileBlock = Unit<'fileoff'>;

/** The size of the largest file, Linux's MAX_LFS_FILESIZE (2^63 - 1), as a label (positions.ts). */
export const MAX_POS: number = Number.MAX_SAFE_INTEGER;

/** `value` rounded down to a multiple of `unit`; safe above 2^32. */
export function roundDown(value: number, step: number): number {
  return value - (value % step);
}

/** `value` rounded up to a multiple of `step`; safe above 2^32. */
export function roundUp(value: number, step: number): number {
  const rest = value % step;
  return rest === 0 ? value : value + (step - rest);
}

/** The number of `step`s that hold `value`. */
export function divUp(value: number, step: number): number {
  return Math.ceil(value / step);
}
