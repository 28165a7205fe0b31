/**
 * Passes everything on to a base device and keeps every write and flush in order, so that a crash test can make
 * the image that any cut of the power would have left: all writes before a flush are there, of those after it any
 * subset. Devices of one file system share a record, in which each event says whose it is.
 */
import type { Device } from './device.ts';

export type RecordedEvent =
  | { readonly kind: 'write'; readonly device: number; readonly addr: number; readonly bytes: Uint8Array }
  | { readonly kind: 'flush'; readonly device: number }
  /** Set by the test: what had been promised at this point. */
  | { readonly kind: 'mark'; readonly label: string };

export class RecorderDevice implements Device {
  readonly base: Device;
  readonly events: RecordedEvent[];
  private readonly device: number;

  /** `shared`: the record of another device of the same file system; `device`: which of them this one is. */
  constructor(base: Device, shared: RecordedEvent[] = [], device = 0) {
    this.base = base;
    this.events = shared;
    this.device = device;
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
    this.base.read(addr, into);
  }

  write(addr: number, from: Uint8Array): void {
    this.base.write(addr, from);
    // A Buffer's slice() would not copy.
    this.events.push({ kind: 'write', device: this.device, addr, bytes: new Uint8Array(from) });
  }

  writev(addr: number, from: readonly Uint8Array[]): void {
    this.base.writev(addr, from);
    this.events.push({ kind: 'write', device: this.device, addr, bytes: Buffer.concat(from) });
  }

  flush(): void {
    this.base.flush();
    this.events.push({ kind: 'flush', device: this.device });
  }

  close(): void {
    this.base.close();
  }

  /** Notes in the record that something was promised now. */
  mark(label: string): void {
    this.events.push({ kind: 'mark', label });
  }
}

/** Writes the recorded writes for which `keep` says yes (all, without it) to another device, in order. */
export function replay(
  events: readonly RecordedEvent[],
  target: Device,
  keep: (index: number) => boolean = () => true,
): void {
  for (const [index, event] of events.entries()) {
    if (event.kind === 'write' && keep(index)) target.write(event.addr, event.bytes);
  }
}
