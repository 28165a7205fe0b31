/**
 * A device in memory: chunks of 64 KiB that exist once they are written, so that a sparse terabyte costs nothing.
 * What was never written comes from `underneath`: zeros here, another device in the overlay.
 */
import { FsError } from '../errors.ts';
import type { Device } from './device.ts';

const CHUNK = 65536;

export class MemoryDevice implements Device {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly writable: boolean = true;
  readonly #chunks = new Map<number, Uint8Array>();

  constructor(size: number, options: { name?: string; sectorSize?: number } = {}) {
    this.name = options.name ?? 'memory';
    this.size = size;
    this.sectorSize = options.sectorSize ?? 512;
  }

  /** Fills `into` with the bytes at `addr` that lie under unwritten chunks. */
  protected underneath(_addr: number, into: Uint8Array): void {
    into.fill(0);
  }

  read(addr: number, into: Uint8Array): void {
    this.#check(addr, into.length);
    const end = addr + into.length;
    for (let at = addr; at < end; ) {
      const chunk = this.#chunks.get(Math.floor(at / CHUNK));
      const stop = chunk === undefined ? this.#endOfGap(at, end) : Math.min(end, at - (at % CHUNK) + CHUNK);
      const part = into.subarray(at - addr, stop - addr);
      if (chunk === undefined) this.underneath(at, part);
      else part.set(chunk.subarray(at % CHUNK, (at % CHUNK) + part.length));
      at = stop;
    }
  }

  write(addr: number, from: Uint8Array): void {
    this.#check(addr, from.length);
    const end = addr + from.length;
    for (let at = addr; at < end; ) {
      const stop = Math.min(end, at - (at % CHUNK) + CHUNK);
      const index = Math.floor(at / CHUNK);
      this.beforeWrite(index);
      const chunk = this.#chunk(index, stop - at === CHUNK);
      chunk.set(from.subarray(at - addr, stop - addr), at % CHUNK);
      at = stop;
    }
  }

  writev(addr: number, from: readonly Uint8Array[]): void {
    let at = addr;
    for (const part of from) {
      this.write(at, part);
      at += part.length;
    }
  }

  flush(): void {}

  close(): void {
    this.#chunks.clear();
  }

  /** The ranges that were written (in whole chunks, the last one clipped to the size), by rising address. */
  *written(): IterableIterator<{ readonly addr: number; readonly bytes: Uint8Array }> {
    for (const index of [...this.#chunks.keys()].sort((a, b) => a - b)) {
      const addr = index * CHUNK;
      const chunk = this.#chunks.get(index) as Uint8Array;
      yield { addr, bytes: chunk.subarray(0, Math.min(CHUNK, this.size - addr)) };
    }
  }

  /** A chunk is about to change. */
  protected beforeWrite(_index: number): void {}

  /** A copy of a chunk, or null if it was never written. */
  protected copyOf(index: number): Uint8Array | null {
    return this.#chunks.get(index)?.slice() ?? null;
  }

  /** Puts a chunk back to what copyOf() gave. */
  protected restore(index: number, chunk: Uint8Array | null): void {
    if (chunk === null) this.#chunks.delete(index);
    else this.#chunks.set(index, chunk);
  }

  #chunk(index: number, whole: boolean): Uint8Array {
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = new Uint8Array(CHUNK);
      const addr = index * CHUNK;
      if (!whole) this.underneath(addr, chunk.subarray(0, Math.min(CHUNK, this.size - addr)));
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }

  /** Where the run of unwritten chunks that `at` lies in ends, at most `end`. */
  #endOfGap(at: number, end: number): number {
    let index = Math.floor(at / CHUNK) + 1;
    while (index * CHUNK < end && !this.#chunks.has(index)) index++;
    return Math.min(end, index * CHUNK);
  }

  #check(addr: number, length: number): void {
    if (addr >= 0 && addr + length <= this.size) return;
    throw new FsError('EIO', {
      path: this.name,
      detail: `bytes ${addr} to ${addr + length} lie outside the ${this.size} bytes of the device`,
    });
  }
}
