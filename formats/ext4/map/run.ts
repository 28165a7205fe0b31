/** A run of a file's blocks that lie, or are missing, together. */

/** Filled in place by whoever maps blocks. All numbers are blocks. */
export class BlockRun {
  /** File block where it starts: the one asked for. */
  logical = 0;
  length = 0;
  /** The block of the device where it starts; 0 for a hole. */
  physical = 0;
  unwritten = false;

  set(logical: number, length: number, physical: number, unwritten: boolean): void {
    this.logical = logical;
    this.length = length;
    this.physical = physical;
    this.unwritten = unwritten;
  }
}

/** A file has no block with this number, or beyond. */
export const MAX_FILE_BLOCKS: number = 2 ** 32 - 1;
