/**
 * A device with a replayed log laid over it in memory. The base is untouched until apply(), which writes every replayed
 * page in place and from then on passes everything through.
 */
import type { Device } from './device.ts';

const PAGE = 4096;
const RUN = 256;

/** A device whose changes stay in memory until apply(). */
export class ReplayDevice implements Device {
  readonly base: Device;
  private readonly pages = new Map<number, Uint8Array>();
  private applied = false;

  constructor(base: Device) {
    this.base = base;
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
    return this.base.writable;
  }

  enableWrites(): void {
    this.base.enableWrites?.();
  }

  read(addr: number, into: Uint8Array): void {
    if (this.pages.size === 0) {
      this.base.read(addr, into);
      return;
    }
    const end = addr + into.length;
    let plain = addr;
    for (let index = Math.floor(addr / PAGE); index * PAGE < end; index++) {
      const page = this.pages.get(index);
      if (page === undefined) continue;
      const from = Math.max(addr, index * PAGE);
      const to = Math.min(end, (index + 1) * PAGE);
      if (plain < from) this.base.read(plain, into.subarray(plain - addr, from - addr));
      into.set(page.subarray(from - index * PAGE, to - index * PAGE), from - addr);
      plain = to;
    }
    if (plain < end) this.base.read(plain, into.subarray(plain - addr));
  }

  write(addr: number, from: Uint8Array): void {
    if (this.applied) {
      this.base.write(addr, from);
      return;
    }
    for (let done = 0; done < from.length; ) {
      const index = Math.floor((addr + done) / PAGE);
      const offset = addr + done - index * PAGE;
      const part = Math.min(from.length - done, PAGE - offset);
      this.page(index).set(from.subarray(done, done + part), offset);
      done += part;
    }
  }

  writev(addr: number, from: readonly Uint8Array[]): void {
    if (this.applied) {
      this.base.writev(addr, from);
      return;
    }
    let at = addr;
    for (const part of from) {
      this.write(at, part);
      at += part.length;
    }
  }

  flush(): void {
    if (this.applied) this.base.flush();
  }

  close(): void {
    this.base.close();
  }

  /** Writes what was replayed to the base, in order of address, and flushes it. @throws FsError EIO, EROFS */
  apply(): void {
    if (this.applied) return;
    const order = [...this.pages.keys()].sort((a, b) => a - b);
    for (let i = 0; i < order.length; ) {
      const first = order[i] as number;
      const run: Uint8Array[] = [];
      while (i < order.length && order[i] === first + run.length && run.length < RUN) {
        run.push(this.trimmed(order[i] as number));
        i++;
      }
      this.base.writev(first * PAGE, run);
    }
    this.base.flush();
    this.applied = true;
    this.pages.clear();
  }

  /** The page's bytes, without what would lie beyond the end of the device. */
  private trimmed(index: number): Uint8Array {
    const page = this.pages.get(index) as Uint8Array;
    return index * PAGE + PAGE <= this.size ? page : page.subarray(0, this.size - index * PAGE);
  }

  private page(index: number): Uint8Array {
    let page = this.pages.get(index);
    if (page === undefined) {
      page = new Uint8Array(PAGE);
      this.base.read(index * PAGE, page.subarray(0, Math.min(PAGE, this.size - index * PAGE)));
      this.pages.set(index, page);
    }
    return page;
  }
}
