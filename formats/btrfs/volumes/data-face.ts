/**
 * File data as a device whose addresses are logical: what mappings carry as their device. Reading checks every
 * sector against the csum tree and takes a wrong one from another copy, in memory only; writing goes to all copies
 * and keeps the new checksums until the extent's completion takes them (kernel: btrfs_submit_bio, btrfs_check_read_bio).
 *
 * A sector without a checksum is as wrong as one with another: files that have none are read through the plain face
 * (LogicalSpace.raw). The tree is walked once a read of at most PIECE bytes. With crc32c such a piece is checked in one pass, by joining the sectors' known checksums; only
 * when that fails are the sectors checked one by one.
 */
import { crc32c } from '../../../core/checksum.ts';
import type { Device } from '../../../core/device/device.ts';
import { FsError } from '../../../core/errors.ts';
import { CrcCombiner } from './crc-combine.ts';
import type { LogicalSpace } from './logical-space.ts';
import { PendingCsums } from './pending-csums.ts';

/** Lines of healed sectors that are kept. */
const HEALED_KEPT = 1000;
/** Bytes checked together. */
const PIECE = 1 << 20;

/** The file system's checksum. */
export interface DataChecksum {
  /** Bytes of one. */
  readonly size: number;
  readonly name: string;
  /** Writes the checksum of `bytes` to `into` at `at`. */
  sum(bytes: Uint8Array, into: Uint8Array, at: number): void;
}

/**
 * Copies the csum tree's checksums of the sectors of a range to `into`, one after the other, and sets `present` to 1
 * for each sector that has one.
 */
export type CsumLookup = (bytenr: number, length: number, into: Uint8Array, present: Uint8Array) => void;

export interface DataFaceOptions {
  readonly name: string;
  readonly sectorSize: number;
  readonly checksum: DataChecksum;
  /** Null: nothing is checked (files without checksums, --no-data-csum). */
  readonly lookup: CsumLookup | null;
  /** Whether checksums of what is written are kept. */
  readonly sums: boolean;
}

export class DataFace implements Device {
  readonly name: string;
  readonly size: number = Number.MAX_SAFE_INTEGER;
  readonly sectorSize: number;
  /** Sectors that were wrong in one copy and right in another, as text lines. */
  readonly healed: string[] = [];
  private readonly space: LogicalSpace;
  private readonly checksum: DataChecksum;
  private readonly lookup: CsumLookup | null;
  private readonly summing: boolean;
  private readonly pending: PendingCsums;
  private readonly combiner: CrcCombiner | null;
  private readonly expected: Uint8Array;
  private readonly expectedView: DataView;
  private readonly present: Uint8Array;
  private readonly sum = new Uint8Array(32);

  constructor(space: LogicalSpace, options: DataFaceOptions) {
    this.space = space;
    this.name = options.name;
    this.sectorSize = options.sectorSize;
    this.checksum = options.checksum;
    this.lookup = options.lookup;
    this.summing = options.sums;
    this.pending = new PendingCsums(this.sectorSize, this.checksum.size);
    this.combiner = this.checksum.name === 'crc32c' ? new CrcCombiner(this.sectorSize) : null;
    const sectors = PIECE / this.sectorSize;
    this.expected = new Uint8Array(sectors * this.checksum.size);
    this.expectedView = new DataView(this.expected.buffer);
    this.present = new Uint8Array(sectors);
  }

  get writable(): boolean {
    const { all, degraded } = this.space.members;
    return all.every(({ seed, device }) => seed || (device === null ? degraded : device.writable));
  }

  enableWrites(): void {
    this.space.members.enableWrites();
  }

  read(addr: number, into: Uint8Array): void {
    if (this.lookup === null) return this.space.read(addr, into);
    const head = addr % this.sectorSize;
    const tail = (addr + into.length) % this.sectorSize;
    if (head !== 0 || tail !== 0) return this.readOdd(addr - head, head, into);
    for (let done = 0; done < into.length; done += PIECE) {
      const end = Math.min(done + PIECE, into.length);
      this.readPiece(addr + done, end - done === into.length ? into : into.subarray(done, end));
    }
  }

  /** Sectors are only verified whole. */
  private readOdd(start: number, head: number, into: Uint8Array): void {
    const whole = new Uint8Array(Math.ceil((head + into.length) / this.sectorSize) * this.sectorSize);
    this.read(start, whole);
    into.set(whole.subarray(head, head + into.length));
  }

  private readPiece(addr: number, into: Uint8Array): void {
    const sectors = into.length / this.sectorSize;
    this.present.fill(0, 0, sectors);
    this.lookup?.(addr, into.length, this.expected, this.present);
    if (!this.pending.empty) this.pending.lookup(addr, into.length, this.expected, this.present);
    try {
      this.space.read(addr, into);
    } catch (error) {
      // No copy of the whole is readable: sector by sector there may be one.
      if (!(error instanceof FsError) || error.code !== 'EIO' || this.space.mirrors(addr) === 1) throw error;
      for (let i = 0; i < sectors; i++) this.rescue(addr, into, i);
      return;
    }
    if (this.combiner !== null && sectors > 1 && this.checkTogether(into, sectors, this.combiner)) return;
    for (let i = 0; i < sectors; i++) {
      if (!this.isGood(this.sector(into, i), i)) this.rescue(addr, into, i);
    }
  }

  /** True if no whole sector of these bytes disagrees with its checksum; one that has none agrees. */
  isSound(addr: number, bytes: Uint8Array): boolean {
    if (this.lookup === null) return true;
    const first = Math.ceil(addr / this.sectorSize) * this.sectorSize - addr;
    const sectors = Math.floor((bytes.length - first) / this.sectorSize);
    if (sectors <= 0) return true;
    const whole = bytes.subarray(first, first + sectors * this.sectorSize);
    this.present.fill(0, 0, sectors);
    this.lookup(addr + first, whole.length, this.expected, this.present);
    for (let i = 0; i < sectors; i++) {
      if (this.present[i] === 1 && !this.isGood(this.sector(whole, i), i)) return false;
    }
    return true;
  }

  /** True if all sectors have checksums, and all are right. */
  private checkTogether(into: Uint8Array, sectors: number, combiner: CrcCombiner): boolean {
    let joined = 0;
    for (let i = 0; i < sectors; i++) {
      if (this.present[i] !== 1) return false;
      const next = this.expectedView.getUint32(i * 4, true);
      joined = i === 0 ? next : combiner.append(joined, next);
    }
    return crc32c(into) === joined;
  }

  private sector(into: Uint8Array, index: number): Uint8Array {
    return into.subarray(index * this.sectorSize, (index + 1) * this.sectorSize);
  }

  /** Compares a sector with the expected checksum number `index`. */
  private isGood(bytes: Uint8Array, index: number): boolean {
    if (this.present[index] === 0) return false;
    if (this.combiner !== null) return crc32c(bytes) === this.expectedView.getUint32(index * 4, true);
    const { size } = this.checksum;
    this.checksum.sum(bytes, this.sum, 0);
    for (let i = 0; i < size; i++) if (this.sum[i] !== this.expected[index * size + i]) return false;
    return true;
  }

  /** Fills sector `index` of `into` from any copy that is right. @throws FsError EIO naming address and copies */
  private rescue(addr: number, into: Uint8Array, index: number): void {
    const bytenr = addr + index * this.sectorSize;
    const bytes = this.sector(into, index);
    const mirrors = this.space.mirrors(bytenr);
    const faults: string[] = [];
    for (let mirror = 1; mirror <= mirrors; mirror++) {
      try {
        this.space.readMirror(bytenr, bytes, mirror);
      } catch (error) {
        if (!(error instanceof FsError) || error.code !== 'EIO') throw error;
        faults.push(`mirror ${mirror}: ${error.detail ?? error.message}`);
        continue;
      }
      if (this.isGood(bytes, index)) {
        const line = `logical ${bytenr} from mirror ${mirror} (${faults.join(', ')})`;
        if (faults.length > 0 && this.healed.length < HEALED_KEPT) this.healed.push(line);
        return;
      }
      const fault = this.present[index] === 0 ? 'no checksum' : `wrong ${this.checksum.name}`;
      faults.push(`mirror ${mirror}${this.where(bytenr, mirror)}: ${fault}`);
    }
    const damage = { structure: `data sector at logical ${bytenr}`, addr: bytenr, rule: faults.join(', ') };
    throw new FsError('EIO', { damage });
  }

  private where(bytenr: number, mirror: number): string {
    const place = this.space.map(bytenr, this.sectorSize).find((each) => each.mirror === mirror);
    return place === undefined ? '' : ` (device ${place.devid} at 0x${place.addr.toString(16)})`;
  }

  write(addr: number, from: Uint8Array): void {
    this.space.write(addr, from);
    if (this.summing) this.pending.add(addr, this.sums([from], from.length));
  }

  writev(addr: number, from: readonly Uint8Array[]): void {
    this.space.writev(addr, from);
    if (!this.summing) return;
    let length = 0;
    let whole = true;
    for (const part of from) {
      length += part.length;
      whole &&= part.length % this.sectorSize === 0;
    }
    this.pending.add(addr, this.sums(whole ? from : [Buffer.concat(from)], length));
  }

  private sums(parts: readonly Uint8Array[], length: number): Uint8Array {
    const { sectorSize, checksum } = this;
    const { size } = checksum;
    const sums = new Uint8Array((length / sectorSize) * size);
    let at = 0;
    for (const { buffer, byteOffset, length: bytes } of parts) {
      const end = byteOffset + bytes;
      // Not subarray(): that of a Buffer costs a third of the checksum.
      for (let i = byteOffset; i < end; i += sectorSize, at += size) {
        checksum.sum(new Uint8Array(buffer, i, sectorSize), sums, at);
      }
    }
    return sums;
  }

  /** The checksums of what was written to a range, each buffer following the one before; forgotten here. */
  takeCsums(bytenr: number, length: number): Uint8Array[] {
    return this.pending.take(bytenr, length);
  }

  flush(): void {
    this.space.flush();
  }

  close(): void {
    // The devices belong to the members.
  }
}
