/**
 * A raw image in a host file. Opened read-only and left untouched until enableWrites(); every transfer loops over
 * partial reads and writes, and stops at the size the file had when it was opened.
 */
import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, writeSync, writevSync } from 'node:fs';
import { FsError } from '../errors.ts';
import { liftLimit } from '../size-limit.ts';
import type { Device } from './device.ts';
import { EarlyFlush } from './early-flush.ts';
import { hostError } from './host-error.ts';
import { claimerOf, PATIENCE, Queue, type User, userOf } from './in-use.ts';
import { type Neighbour, neighboursOf } from './neighbours.ts';

export interface OpenDeviceOptions {
  /** enableWrites() is refused (EROFS). */
  readonly readOnly?: boolean;
  /** Seconds that other runs of fsio are waited for; default PATIENCE. */
  readonly patience?: number;
}

/** Linux takes at most this many buffers in one writev. */
const IOV_MAX = 1024;

export class FileDevice implements Device {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  #fd: number;
  #writable = false;
  #unflushed = false;
  /** The descriptor that holds the claim, where opening claims; else -1. */
  #claimFd = -1;
  /** The image's time of change when it was opened. */
  #changed = 0n;
  /** It was changed between being opened and becoming writable, and the caller builds on what he read before. */
  #stale = false;
  readonly #readOnly: boolean;
  readonly #patience: number;
  #earlyFlush: EarlyFlush | null = null;

  /** @throws FsError ENOENT, EACCES, EBUSY (mounted, or open for writing elsewhere and staying so), … */
  constructor(name: string, { readOnly = false, patience = PATIENCE }: OpenDeviceOptions = {}) {
    this.name = name;
    this.#readOnly = readOnly;
    this.#patience = patience;
    this.#fd = this.#claim('r');
    try {
      const geometry = this.geometry(this.#fd);
      this.size = geometry.size;
      this.sectorSize = geometry.sectorSize;
    } catch (error) {
      closeSync(this.#fd);
      throw hostError(error, name);
    }
  }

  get writable(): boolean {
    return this.#writable && !this.#stale;
  }

  /** Does opening it claim it? */
  protected readonly claimsByOpening: boolean = false;

  /** Flags for open(2). */
  protected openFlags(mode: 'r' | 'r+'): number | string {
    return mode;
  }

  /** Size and smallest atomic write, in bytes. */
  protected geometry(fd: number): { size: number; sectorSize: number } {
    return { size: fstatSync(fd).size, sectorSize: 512 };
  }

  enableWrites(): void {
    if (!this.#writable) this.#becomeWriter();
    if (this.#stale)
      throw new FsError('ESTALE', { path: this.name, detail: 'another process changed the image since it was opened' });
  }

  get stale(): boolean {
    if (this.#writable) return this.#stale;
    return !this.claimsByOpening && this.#fd >= 0 && changeTime(this.#fd) !== this.#changed;
  }

  startOver(): void {
    this.#stale = false;
    if (this.#writable) return;
    const fd = this.#claim('r');
    closeSync(this.#fd);
    this.#fd = fd;
  }

  #becomeWriter(): void {
    if (this.#readOnly) throw new FsError('EROFS', { path: this.name, detail: 'opened read-only' });
    const before = fstatSync(this.#fd);
    const fd = this.#claim('r+');
    if (this.claimsByOpening) this.#claimFd = this.#fd;
    else closeSync(this.#fd);
    this.#fd = fd;
    const now = fstatSync(fd);
    if (now.ino !== before.ino || now.dev !== before.dev) {
      throw new FsError('EIO', { path: this.name, detail: 'the image was replaced while it was open' });
    }
    if (now.isFile()) liftLimit(this.name, now.size);
    this.#writable = true;
    // Asked only now: who was about to close when we opened may have written until then.
    this.#stale = changeTime(fd) !== this.#changed;
  }

  /**
   * Opens the image and returns the descriptor when nobody else uses it. Others are looked for only when it is open: of
   * two that open it at the same time at least one sees the other.
   */
  #claim(mode: 'r' | 'r+'): number {
    const queue = new Queue(this.#patience);
    for (;;) {
      const fd = this.#openInTurn(mode, queue);
      let user: User | null;
      try {
        // Asked before others are looked for: what one of them does after that must be seen as a change.
        const changed = changeTime(fd);
        user = userOf(this.name, fstatSync(fd), mode === 'r' ? 'read' : 'write');
        if (user === null && mode === 'r') this.#changed = changed;
        if (user === null) return fd;
      } catch (error) {
        closeSync(fd);
        throw hostError(error, this.name);
      }
      closeSync(fd);
      queue.wait(this.name, user);
    }
  }

  #openInTurn(mode: 'r' | 'r+', queue: Queue): number {
    for (;;) {
      try {
        return openSync(this.name, this.openFlags(mode));
      } catch (error) {
        const user = this.claimsByOpening && (error as NodeJS.ErrnoException).code === 'EBUSY' && claimerOf(this.name);
        if (!user) throw hostError(error, this.name);
        queue.wait(this.name, user);
      }
    }
  }

  read(addr: number, into: Uint8Array): void {
    this.#check(addr, into.length);
    let done = 0;
    try {
      while (done < into.length) {
        const n = readSync(this.#fd, into, done, into.length - done, addr + done);
        if (n === 0) break;
        done += n;
      }
    } catch (error) {
      throw hostError(error, this.name);
    }
    if (done < into.length) {
      throw new FsError('EIO', { path: this.name, detail: `the image ends at ${addr + done}, inside a read` });
    }
  }

  write(addr: number, from: Uint8Array): void {
    this.#checkWrite(addr, from.length);
    try {
      this.#writeFrom(addr, from, 0);
    } catch (error) {
      throw hostError(error, this.name);
    }
  }

  writev(addr: number, from: readonly Uint8Array[]): void {
    let total = 0;
    for (const part of from) total += part.length;
    this.#checkWrite(addr, total);
    try {
      let at = addr;
      for (let first = 0; first < from.length; first += IOV_MAX) {
        at = this.#writeBatch(at, from.slice(first, first + IOV_MAX));
      }
    } catch (error) {
      throw hostError(error, this.name);
    }
  }

  flush(): void {
    if (!this.#unflushed) return;
    try {
      fdatasyncSync(this.#fd);
    } catch (error) {
      throw hostError(error, this.name);
    }
    this.#unflushed = false;
  }

  neighbours(addr: number, length: number): Iterable<Neighbour> {
    return neighboursOf(this.name, addr, length);
  }

  openNeighbour(name: string): Device {
    return new (this.constructor as typeof FileDevice)(name, { readOnly: this.#readOnly, patience: this.#patience });
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    if (this.#claimFd >= 0) closeSync(this.#claimFd);
    this.#fd = -1;
    this.#claimFd = -1;
    this.#writable = false;
    this.#earlyFlush?.close();
    this.#earlyFlush = null;
  }

  /** One writev; what it left over is written buffer by buffer. Returns the address after the batch. */
  #writeBatch(addr: number, batch: Uint8Array[]): number {
    let written = writevSync(this.#fd, batch, addr);
    let at = addr;
    for (const part of batch) {
      if (written >= part.length) written -= part.length;
      else {
        this.#writeFrom(at, part, written);
        written = 0;
      }
      at += part.length;
    }
    return at;
  }

  /** Writes `from` from its byte `start` on; `addr` is where byte 0 belongs. */
  #writeFrom(addr: number, from: Uint8Array, start: number): void {
    for (let done = start; done < from.length; ) {
      const n = writeSync(this.#fd, from, done, from.length - done, addr + done);
      if (n === 0) throw new FsError('EIO', { path: this.name, detail: 'the host wrote nothing' });
      done += n;
    }
  }

  #check(addr: number, length: number): void {
    if (addr >= 0 && addr + length <= this.size) return;
    throw new FsError('EIO', {
      path: this.name,
      detail: `bytes ${addr} to ${addr + length} lie outside the ${this.size} bytes of the image`,
    });
  }

  #checkWrite(addr: number, length: number): void {
    if (!this.#writable) throw new FsError('EROFS', { path: this.name });
    this.#check(addr, length);
    this.#unflushed = true;
    this.#earlyFlush ??= new EarlyFlush(this.name);
    this.#earlyFlush.wrote(length);
  }
}

const changeTime = (fd: number): bigint => fstatSync(fd, { bigint: true }).mtimeNs;
