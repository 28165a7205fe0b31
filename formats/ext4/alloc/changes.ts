/**
 * Blocks that are being changed in memory. Whoever changes a block says so first; sealing gives every changed block its
 * checksum and writes it.
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import type { Ext4Mount } from '../mount.ts';

export class Changes {
  readonly mp: Ext4Mount;

  constructor(mp: Ext4Mount) {
    this.mp = mp;
  }

  /** The block is about to change. */
  modify(buf: Buf): void {
    this.mp.cache.markDirty(buf);
  }

  /** A block with nothing in it, for a new structure. */
  init(block: number, ops: BufOps): Buf {
    this.forget(block);
    const buf = this.mp.cache.init(block * this.mp.blockSize, this.mp.blockSize, ops);
    this.modify(buf);
    return buf;
  }

  /** The block is nobody's any more. */
  forget(block: number): void {
    const buf = this.mp.cache.peek(block * this.mp.blockSize);
    if (buf !== null) this.mp.cache.drop(buf);
  }

  /** Writes every changed block to the device. @throws FsError EIO */
  write(): void {
    const { cache, device } = this.mp;
    for (const buf of [...cache.dirty].sort((a, b) => a.addr - b.addr)) {
      buf.ops.seal?.(buf, 0n);
      device.write(buf.addr, buf.bytes);
      cache.markClean(buf);
    }
  }
}
