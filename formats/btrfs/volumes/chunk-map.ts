/** All chunks of a file system by logical address; they never overlap. */
import { corrupt, FsError } from '../../../core/errors.ts';
import type { Chunk } from './chunk.ts';

export class ChunkMap {
  /** Ascending by logical address. */
  private readonly chunks: Chunk[] = [];
  private last: Chunk | null = null;

  [Symbol.iterator](): Iterator<Chunk> {
    return this.chunks[Symbol.iterator]();
  }

  get size(): number {
    return this.chunks.length;
  }

  /**
   * Adds a chunk; one that is known already (system chunks stand in the superblock and in the chunk tree) is
   * skipped and the known one returned. @throws FsError EUCLEAN if it overlaps a different one
   */
  add(chunk: Chunk): Chunk {
    const index = this.indexAfter(chunk.logical);
    const before = this.chunks[index - 1];
    const after = this.chunks[index];
    if (before !== undefined && before.logical === chunk.logical && before.length === chunk.length) return before;
    if ((before !== undefined && before.end > chunk.logical) || (after !== undefined && after.logical < chunk.end)) {
      const other = before !== undefined && before.end > chunk.logical ? before : (after as Chunk);
      const rule = `overlaps chunk ${other.logical}`;
      throw corrupt({ structure: `chunk ${chunk.logical}`, field: 'length', value: String(chunk.length), rule });
    }
    this.chunks.splice(index, 0, chunk);
    return chunk;
  }

  /** Forgets a chunk that was given up, or whose allocation was undone. */
  remove(chunk: Chunk): void {
    const index = this.chunks.indexOf(chunk);
    if (index >= 0) this.chunks.splice(index, 1);
    if (this.last === chunk) this.last = null;
  }

  /** The chunk that holds a logical address; null if none does. */
  find(bytenr: number): Chunk | null {
    const last = this.last;
    if (last !== null && bytenr >= last.logical && bytenr < last.end) return last;
    const chunk = this.chunks[this.indexAfter(bytenr) - 1];
    if (chunk === undefined || bytenr >= chunk.end) return null;
    this.last = chunk;
    return chunk;
  }

  /** @throws FsError EUCLEAN if the bytes do not lie in one chunk */
  get(bytenr: number, length: number): Chunk {
    const chunk = this.find(bytenr);
    if (chunk !== null && bytenr + length <= chunk.end) return chunk;
    throw new FsError('EUCLEAN', { detail: `logical ${bytenr} to ${bytenr + length} is in no chunk` });
  }

  /** The end of the last chunk, 0 if there is none. */
  get end(): number {
    return this.chunks.at(-1)?.end ?? 0;
  }

  private indexAfter(bytenr: number): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.chunks[middle] as Chunk).logical <= bytenr) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
