/** A copy-on-write overlay in memory: reads see the base until it is written here; the base never changes. */
import { FsError } from '../errors.ts';
import type { Device } from './device.ts';
import { MemoryDevice } from './memory.ts';
import type { Neighbour } from './neighbours.ts';
import type { UndoableDevice } from './undoable.ts';

export class OverlayDevice extends MemoryDevice implements UndoableDevice {
  readonly base: Device;
  /** For every snapshot, the chunks that changed since, as they were; null: not written then. */
  readonly #undo: Map<number, Uint8Array | null>[] = [];
  readonly #neighbour: ((base: Device) => Device) | null;

  /** `neighbour` lays an overlay over another device of the same file system; without it, one like this. */
  constructor(base: Device, neighbour: ((base: Device) => Device) | null = null) {
    super(base.size, { name: base.name, sectorSize: base.sectorSize });
    this.base = base;
    this.#neighbour = neighbour;
  }

  snapshot(): number {
    if (this.#undo.length === 0 || (this.#undo.at(-1)?.size ?? 0) > 0) this.#undo.push(new Map());
    return this.#undo.length - 1;
  }

  rollback(to: number): void {
    for (let level = this.#undo.length - 1; level >= to; level--) {
      for (const [index, chunk] of this.#undo[level] ?? []) this.restore(index, chunk);
    }
    this.#undo.length = to;
    this.#undo.push(new Map());
  }

  *changes(): Generator<{ readonly addr: number; readonly length: number }> {
    for (const { addr, bytes } of this.written()) yield { addr, length: bytes.length };
  }

  protected override beforeWrite(index: number): void {
    const saved = this.#undo.at(-1);
    if (saved !== undefined && !saved.has(index)) saved.set(index, this.copyOf(index));
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
    const base = this.base.openNeighbour(name);
    return this.#neighbour === null ? new OverlayDevice(base) : this.#neighbour(base);
  }

  /** Forgets the changes and closes the base. */
  override close(): void {
    super.close();
    this.base.close();
  }
}
