/**
 * How to take back what a running operation has done: blocks as they were before it touched them, and inverse steps
 * for what lives in memory. Taken back last first, so that every step finds what it left.
 */
import type { TreeBlock } from '../tree/blocks.ts';

/** Before-images kept for the next operation instead of given to the garbage collector. */
const POOL = 64;

/** The undo list of one operation; emptied and used again for the next. */
export class UndoList {
  private readonly steps: (() => void)[] = [];
  private readonly blocks: TreeBlock[] = [];
  private readonly images: Uint8Array[] = [];
  private readonly seen = new Set<TreeBlock>();
  private readonly pool: Uint8Array[] = [];

  /** Keeps the bytes of `block`, the first time it is asked in this operation. */
  save(block: TreeBlock): void {
    if (this.seen.has(block)) return;
    this.seen.add(block);
    const image = this.pool.pop() ?? new Uint8Array(block.bytes.length);
    image.set(block.bytes);
    this.blocks.push(block);
    this.images.push(image);
  }

  /** `block` is new in this operation: it has nothing to go back to. */
  skip(block: TreeBlock): void {
    this.seen.add(block);
  }

  /** `inverse` takes back a step made just now. */
  push(inverse: () => void): void {
    this.steps.push(inverse);
  }

  /** Takes everything back. */
  restore(): void {
    for (let i = this.steps.length - 1; i >= 0; i--) this.steps[i]?.();
    for (const [i, block] of this.blocks.entries()) block.bytes.set(this.images[i] as Uint8Array);
    this.clear();
  }

  /** What was done stays done. */
  clear(): void {
    for (const image of this.images) if (this.pool.length < POOL) this.pool.push(image);
    this.images.length = 0;
    this.blocks.length = 0;
    this.steps.length = 0;
    this.seen.clear();
  }
}
