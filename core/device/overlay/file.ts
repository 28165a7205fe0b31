/**
 * An image with its changes in a file beside it (format.ts). The image is only read, until commit(). The file appears
 * with the first change; a run that ends in the middle leaves what was flushed last.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { FsError } from '../../errors.ts';
import type { Device } from '../device.ts';
import { hostError } from '../host-error.ts';
import { assertUnused } from '../in-use.ts';
import type { Neighbour } from '../neighbours.ts';
import type { UndoableDevice } from '../undoable.ts';
import { BLOCK, encodeHeader, encodeRecord, HEADER_SIZE, Kind, OverlayRecord } from './format.ts';
import { differenceOf, identityOf } from './identity.ts';
import { readOverlay } from './scan.ts';

const RUN = 2 ** 20;
/** A file is rewritten when it has more than twice what it needs, and this much too much. */
const COMPACT_ABOVE = 64 * 2 ** 20;

export class OverlayFile implements UndoableDevice {
  readonly base: Device;
  readonly path: string;
  /** What the user must know about the file; null for nothing. */
  readonly note: string | null;
  #fd = -1;
  #writable = false;
  /** Where each changed block is in the file. */
  #map = new Map<number, number>();
  #end = HEADER_SIZE;
  #generation = 1;
  #unflushed = false;
  readonly #readOnly: boolean;
  readonly #neighbour: ((base: Device) => Device) | null;

  /**
   * Opens the overlay at `path`, whether it exists already or not.
   * @throws FsError ESTALE the image is not the one that it is about, EUCLEAN damaged, EBUSY used elsewhere
   */
  constructor(base: Device, path: string, options: { readOnly?: boolean; neighbour?: (base: Device) => Device } = {}) {
    this.base = base;
    this.#neighbour = options.neighbour ?? null;
    this.path = path;
    this.#readOnly = options.readOnly ?? false;
    this.note = existsSync(path) ? this.#load() : null;
  }

  get name(): string {
    return this.base.name;
  }
  get size(): number {
    return this.base.size;
  }
  get sectorSize(): number {
    return this.base.sectorSize;
  }
  get writable(): boolean {
    return this.#writable;
  }
  /** Bytes of the image that are changed. */
  get changedBytes(): number {
    return this.#map.size * BLOCK;
  }

  enableWrites(): void {
    if (this.#writable) return;
    if (this.#readOnly) throw new FsError('EROFS', { path: this.name, detail: 'opened read-only' });
    this.#attempt(() => {
      if (this.#fd >= 0) {
        closeSync(this.#fd);
        this.#fd = -1;
        this.#fd = openSync(this.path, 'r+');
        assertUnused(this.path, fstatSync(this.#fd), 'write');
        // What no flush had promised is in the way of what comes.
        ftruncateSync(this.#fd, this.#end);
      } else {
        this.#fd = openSync(this.path, 'wx+', 0o600);
        this.#generation = Math.floor(Math.random() * 0xffff_fffe) + 1;
        writeSync(this.#fd, encodeHeader(identityOf(this.base), this.#generation), 0, HEADER_SIZE, 0);
      }
    });
    this.#writable = true;
    if (this.#end > 2 * this.changedBytes + COMPACT_ABOVE) this.#compact();
  }

  read(addr: number, into: Uint8Array): void {
    this.#check(addr, into.length);
    if (this.#map.size === 0) {
      this.base.read(addr, into);
      return;
    }
    const end = addr + into.length;
    for (let at = addr; at < end; ) {
      const place = this.#map.get(Math.floor(at / BLOCK));
      const stop = place === undefined ? this.#endOfGap(at, end) : this.#endOfRun(at, end, place);
      const part = into.subarray(at - addr, stop - addr);
      if (place === undefined) this.base.read(at, part);
      else this.#readFile(place + (at % BLOCK), part);
      at = stop;
    }
  }

  write(addr: number, from: Uint8Array): void {
    if (!this.#writable) throw new FsError('EROFS', { path: this.name });
    this.#check(addr, from.length);
    if (from.length === 0) return;
    const start = addr - (addr % BLOCK);
    const end = Math.min(this.size, Math.ceil((addr + from.length) / BLOCK) * BLOCK);
    if (start === addr && end === addr + from.length) this.#append(addr, from);
    else {
      const whole = new Uint8Array(end - start);
      this.read(start, whole.subarray(0, Math.min(BLOCK, whole.length)));
      const last = Math.floor((whole.length - 1) / BLOCK) * BLOCK;
      if (last > 0) this.read(start + last, whole.subarray(last));
      whole.set(from, addr - start);
      this.#append(start, whole);
    }
  }

  writev(addr: number, from: readonly Uint8Array[]): void {
    this.write(addr, from.length === 1 ? (from[0] as Uint8Array) : Buffer.concat(from));
  }

  flush(): void {
    if (!this.#unflushed) return;
    this.#record(Kind.FLUSH, 0, new Uint8Array(0));
    this.#attempt(() => fdatasyncSync(this.#fd));
    this.#unflushed = false;
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#writable = false;
    this.base.close();
  }

  neighbours(addr: number, length: number): Iterable<Neighbour> {
    return this.base.neighbours?.(addr, length) ?? [];
  }

  openNeighbour(name: string): Device {
    if (this.base.openNeighbour === undefined || this.#neighbour === null) throw new FsError('ENOENT', { path: name });
    return this.#neighbour(this.base.openNeighbour(name));
  }

  /** The changed ranges by rising address, with where their bytes are read from. */
  *changes(): Generator<{ readonly addr: number; readonly length: number }> {
    let start = -1;
    let next = -1;
    for (const block of [...this.#map.keys()].sort((a, b) => a - b)) {
      if (block !== next) {
        if (start >= 0) yield this.#range(start, next);
        start = block;
      }
      next = block + 1;
    }
    if (start >= 0) yield this.#range(start, next);
  }

  snapshot(): number {
    this.flush();
    return this.#end;
  }

  rollback(to: number): void {
    if (to === this.#end) return;
    this.#attempt(() => {
      ftruncateSync(this.#fd, to);
      fdatasyncSync(this.#fd);
    });
    const { map, end } = readOverlay(this.#fd, this.path);
    this.#map = map;
    this.#end = end;
    this.#unflushed = false;
  }

  /**
   * Writes the changes to the image and empties the file. If this is cut off, the file still has them all, and is
   * used until they are committed again. @throws FsError EROFS, EBUSY, EIO, ENOSPC
   */
  commit(): number {
    const bytes = this.changedBytes;
    if (this.#map.size === 0) return 0;
    this.enableWrites();
    this.base.enableWrites?.();
    this.#unflushed = true;
    this.#record(Kind.COMMIT, 0, new Uint8Array(0));
    this.flush();
    const buffer = new Uint8Array(RUN);
    for (const { addr, length } of this.changes()) {
      for (let done = 0; done < length; done += RUN) {
        const part = buffer.subarray(0, Math.min(RUN, length - done));
        this.read(addr + done, part);
        this.base.write(addr + done, part);
      }
    }
    this.base.flush();
    this.discard();
    return bytes;
  }

  /** Forgets the changes: the file goes. */
  discard(): number {
    const bytes = this.changedBytes;
    this.#attempt(() => {
      if (existsSync(this.path)) unlinkSync(this.path);
    });
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#writable = false;
    this.#unflushed = false;
    this.#map.clear();
    this.#end = HEADER_SIZE;
    return bytes;
  }

  #load(): string | null {
    return this.#attempt(() => {
      this.#fd = openSync(this.path, 'r');
      try {
        assertUnused(this.path, fstatSync(this.#fd), 'read');
        const found = readOverlay(this.#fd, this.path);
        const difference = differenceOf(found.identity, identityOf(this.base));
        if (difference !== null && !(found.committing && found.identity.size === this.base.size)) {
          const detail = `not the image that ${this.path} was made for: ${difference}`;
          throw new FsError('ESTALE', { path: this.name, detail });
        }
        this.#map = found.map;
        this.#end = found.end;
        this.#generation = found.generation;
        return found.committing ? `${this.path}: writing it to the image was cut off; commit again` : null;
      } catch (error) {
        closeSync(this.#fd);
        this.#fd = -1;
        throw error;
      }
    });
  }

  /** Writes a new file with only what counts, and puts it in the place of the old one. */
  #compact(): void {
    const fresh = `${this.path}.new`;
    this.#attempt(() => {
      if (existsSync(fresh)) unlinkSync(fresh);
      const old = this.#fd;
      const head = Buffer.alloc(HEADER_SIZE);
      readSync(old, head, 0, HEADER_SIZE, 0);
      const ranges = [...this.changes()];
      const places = this.#map;
      const fd = openSync(fresh, 'wx+', 0o600);
      writeSync(fd, head, 0, HEADER_SIZE, 0);
      const map = new Map<number, number>();
      let end = HEADER_SIZE;
      for (const { addr, length } of ranges) {
        for (let done = 0; done < length; done += RUN) {
          const part = new Uint8Array(Math.min(RUN, length - done));
          this.read(addr + done, part);
          writevSync(fd, [encodeRecord(Kind.DATA, addr + done, part, this.#generation), part], end);
          for (let i = 0; i < part.length; i += BLOCK) map.set((addr + done + i) / BLOCK, end + OverlayRecord.size + i);
          end += OverlayRecord.size + part.length;
        }
      }
      if (map.size !== places.size) throw new Error('overlay: blocks lost while compacting');
      writeSync(fd, encodeRecord(Kind.FLUSH, 0, new Uint8Array(0), this.#generation), 0, OverlayRecord.size, end);
      fsyncSync(fd);
      renameSync(fresh, this.path);
      closeSync(old);
      this.#fd = fd;
      this.#map = map;
      this.#end = end + OverlayRecord.size;
    });
  }

  #append(addr: number, data: Uint8Array): void {
    const place = this.#end + OverlayRecord.size;
    this.#record(Kind.DATA, addr, data);
    const first = addr / BLOCK;
    const count = Math.ceil(data.length / BLOCK);
    for (let i = 0; i < count; i++) this.#map.set(first + i, place + i * BLOCK);
    this.#unflushed = true;
  }

  #record(kind: number, addr: number, data: Uint8Array): void {
    const head = encodeRecord(kind, addr, data, this.#generation);
    this.#attempt(() => {
      let written = writevSync(this.#fd, [head, data], this.#end);
      const all = head.length + data.length;
      // A short write: the rest, piece by piece.
      while (written < all) {
        const [part, offset] = written < head.length ? [head, written] : [data, written - head.length];
        written += writeSync(this.#fd, part, offset, part.length - offset, this.#end + written);
      }
    });
    this.#end += head.length + data.length;
  }

  #readFile(place: number, into: Uint8Array): void {
    this.#attempt(() => {
      for (let done = 0; done < into.length; ) {
        const n = readSync(this.#fd, into, done, into.length - done, place + done);
        if (n === 0) throw new FsError('EIO', { path: this.path, detail: 'the overlay file has become shorter' });
        done += n;
      }
    });
  }

  #range(start: number, end: number): { addr: number; length: number } {
    return { addr: start * BLOCK, length: Math.min(this.size, end * BLOCK) - start * BLOCK };
  }

  #endOfGap(at: number, end: number): number {
    let block = Math.floor(at / BLOCK) + 1;
    while (block * BLOCK < end && !this.#map.has(block)) block++;
    return Math.min(end, block * BLOCK);
  }

  /** Blocks that follow each other in the image and in the file are read at once. */
  #endOfRun(at: number, end: number, place: number): number {
    let block = Math.floor(at / BLOCK) + 1;
    let next = place + BLOCK;
    while (block * BLOCK < end && this.#map.get(block) === next) {
      block++;
      next += BLOCK;
    }
    return Math.min(end, block * BLOCK);
  }

  #attempt<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw hostError(error, this.path);
    }
  }

  #check(addr: number, length: number): void {
    if (addr >= 0 && addr + length <= this.size) return;
    const detail = `bytes ${addr} to ${addr + length} lie outside the ${this.size} bytes of the image`;
    throw new FsError('EIO', { path: this.name, detail });
  }
}
