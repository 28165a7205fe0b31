/** A copy-on-write overlay in memory: reads see the base until it is written here; the base never changes. */

import { FsError } from '../errors.ts';
import type { Device } from './device.ts';
import { MemoryDevice } from './memory.ts';
import type { Neighbour } from './neighbours.ts';

export class OverlayDevice extends MemoryDevice {
  readonly base: Device;

  constructor(base: Device) {
    super(base.size, { name: base.name, sectorSize: base.sectorSize });
    this.base = base;
  }

  protected override underneath(addr: number, into: Uint8Array): void {
    this.base.read(addr, into);
  }

  /** Writes what was changed here to the base, and flushes it. */
  apply(): void {
    for (const { addr, bytes } of this.written()) this.base.write(addr, bytes);
    this.base.flush();
  }

  neighbours(addr: number, length: number): Iterable<Neighbour> {
    return this.base.neighbours?.(addr, length) ?? [];
  }

  openNeighbour(name: string): Device {
    if (this.base.openNeighbour === undefined) throw new FsError('ENOENT', { path: name });
    return new OverlayDevice(this.base.openNeighbour(name));
  }

  /** Forgets the changes and closes the base. */
  override close(): void {
    super.close();
    this.base.close();
  }
}
