/** A part of a device as a device of its own: a partition, or what lies behind an offset. */
import { FsError } from '../errors.ts';
import type { Device } from './device.ts';

export class SliceDevice implements Device {
  readonly name: string;
  readonly size: number;
  readonly base: Device;
  /** Where it begins in the base, bytes. */
  readonly start: number;

  /** `length` bytes of `base` from `start` on. @throws FsError EINVAL if they are not all there */
  constructor(base: Device, start: number, length: number) {
    if (start < 0 || length < 1 || start + length > base.size) {
      const detail = `bytes ${start} to ${start + length} lie outside the ${base.size} bytes of the image`;
      throw new FsError('EINVAL', { path: base.name, detail });
    }
    this.base = base;
    this.name = base.name;
    this.size = length;
    this.start = start;
  }

  get sectorSize(): number {
    return this.base.sectorSize;
  }

  get writable(): boolean {
    return this.base.writable;
  }

  enableWrites(): void {
    this.base.enableWrites?.();
  }

  read(addr: number, into: Uint8Array): void {
    this.#check(addr, into.length);
    this.base.read(this.start + addr, into);
  }

  write(addr: number, from: Uint8Array): void {
    this.#check(addr, from.length);
    this.base.write(this.start + addr, from);
  }

  writev(addr: number, from: readonly Uint8Array[]): void {
    let length = 0;
    for (const part of from) length += part.length;
    this.#check(addr, length);
    this.base.writev(this.start + addr, from);
  }

  flush(): void {
    this.base.flush();
  }

  close(): void {
    this.base.close();
  }

  /** The next partition must not be reached through this one. */
  #check(addr: number, length: number): void {
    if (addr >= 0 && addr + length <= this.size) return;
    throw new FsError('EIO', {
      path: this.name,
      detail: `bytes ${addr} to ${addr + length} lie outside the ${this.size} bytes of the partition`,
    });
  }
}
