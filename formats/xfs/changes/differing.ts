/** The blocks whose bytes differ between two states of an image. */
import type { ByteRange } from '../../../core/vfs/changes.ts';
import type { XfsMount } from '../mount.ts';

const CHUNK = 1 << 20;

/** Block addresses that differ, and which of them somebody explained already. */
export class Differing {
  /** Device byte addresses of differing blocks, rising. */
  readonly addrs: readonly number[];
  readonly explained = new Set<number>();
  private readonly set: ReadonlySet<number>;

  constructor(addrs: readonly number[]) {
    this.addrs = addrs;
    this.set = new Set(addrs);
  }

  /** True if any of the blocks that these bytes lie in differs. */
  touches(addr: number, length: number, blockSize: number): boolean {
    for (let at = addr - (addr % blockSize); at < addr + length; at += blockSize) if (this.set.has(at)) return true;
    return false;
  }

  /** The differing blocks of these bytes are accounted for. */
  explain(addr: number, length: number, blockSize: number): void {
    for (let at = addr - (addr % blockSize); at < addr + length; at += blockSize)
      if (this.set.has(at)) this.explained.add(at);
  }

  /** The blocks that nobody explained yet. */
  *open(): Generator<number> {
    for (const addr of this.addrs) if (!this.explained.has(addr)) yield addr;
  }

  /** Index of the first differing block at or behind `addr`. */
  indexFrom(addr: number): number {
    let low = 0;
    let high = this.addrs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.addrs[middle] as number) < addr) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Compares the states in `ranges` (null: all of them); blocks of the log are only counted. */
export function differingBlocks(
  was: XfsMount,
  is: XfsMount,
  ranges: readonly ByteRange[] | null,
): { readonly blocks: Differing; readonly logBlocks: number } {
  const { blockSize } = is;
  const end = is.dataBlocks * blockSize;
  const found = new Set<number>();
  const before = new Uint8Array(CHUNK);
  const after = new Uint8Array(CHUNK);
  for (const { addr, length } of ranges ?? [{ addr: 0, length: end }]) {
    const first = addr - (addr % blockSize);
    const last = Math.min(end, addr + length);
    for (let at = first; at < last; at += CHUNK) {
      const size = Math.min(CHUNK, end - at, Math.ceil((last - at) / blockSize) * blockSize);
      was.device.read(at, before.subarray(0, size));
      is.device.read(at, after.subarray(0, size));
      if (Buffer.compare(before.subarray(0, size), after.subarray(0, size)) === 0) continue;
      for (let block = 0; block < size; block += blockSize)
        if (Buffer.compare(before.subarray(block, block + blockSize), after.subarray(block, block + blockSize)) !== 0)
          found.add(at + block);
    }
  }
  const logStart = is.logStart === 0 ? -1 : is.fsbToAddr(is.logStart);
  const inLog = (addr: number) => logStart >= 0 && addr >= logStart && addr < logStart + is.logBlocks * blockSize;
  const sorted = [...found].sort((a, b) => a - b);
  const addrs = sorted.filter((addr) => !inLog(addr));
  return { blocks: new Differing(addrs), logBlocks: sorted.length - addrs.length };
}
