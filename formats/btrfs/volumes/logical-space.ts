/**
 * The logical address space of a file system: reads and writes at logical addresses become reads and writes of the
 * devices' stripes, copies and parities (kernel: volumes.c, btrfs_map_block).
 *
 * Copies are numbered from 1. In a parity profile copy 1 is the data itself; 2 is rebuilt from the other cells, and
 * raid6 has more, each rebuilt without one further cell.
 */
import { FsError } from '../../../core/errors.ts';
import { BlockGroupFlag, ChunkItem, chunkItemSize, DevItem, STRIPE_LEN } from '../structure/chunk.ts';
import { ItemType, KEY_SIZE, Key } from '../structure/key.ts';
import { type Chunk, Place } from './chunk.ts';
import { readChunkItem } from './chunk-item.ts';
import { ChunkMap } from './chunk-map.ts';
import { type CsumLookup, type DataChecksum, DataFace } from './data-face.ts';
import { hex, type Member } from './member.ts';
import type { Members } from './members.ts';
import { rebuildCell, writeRows } from './parity.ts';

/** One piece of a logical range on a device. */
export interface PhysicalPlace {
  readonly devid: number;
  /** The device's name, null if it is missing. */
  readonly device: string | null;
  /** Device byte address. */
  readonly addr: number;
  readonly length: number;
  /** The copy it belongs to. */
  readonly mirror: number;
}

export interface SpaceGeometry {
  readonly sectorSize: number;
  readonly mixedGroups: boolean;
}

export class LogicalSpace {
  readonly members: Members;
  readonly chunks = new ChunkMap();
  /** File data with checksums: the device that mappings carry. Set by attachData(). */
  data!: DataFace;
  /** File data without: for files that have none (NODATASUM). */
  raw!: DataFace;
  private readonly geometry: SpaceGeometry;
  private readonly place = new Place();
  private writing = false;

  constructor(members: Members, geometry: SpaceGeometry) {
    this.members = members;
    this.geometry = geometry;
  }

  /**
   * Takes the system chunks of the superblock's sys_chunk_array, whose first `size` bytes are used.
   * @throws FsError EUCLEAN
   */
  addSystemChunks(array: Uint8Array, size: number): void {
    const view = new DataView(array.buffer, array.byteOffset, array.byteLength);
    const key = new Key();
    for (let at = 0; at < size; ) {
      if (at + KEY_SIZE + chunkItemSize(1) > Math.min(size, array.length)) throw badArray(at, 'cut off');
      key.read(view, at);
      if (key.type !== ItemType.CHUNK_ITEM) throw badArray(at, `item type ${key.type}`);
      at += KEY_SIZE;
      const length = chunkItemSize(ChunkItem.get.num_stripes(view, at));
      if (at + length > Math.min(size, array.length)) throw badArray(at, 'cut off');
      if ((ChunkItem.get.type(view, at) & BlockGroupFlag.SYSTEM) === 0) throw badArray(at, 'not a system chunk');
      this.addChunk(view, at, length, key.offset);
      at += length;
    }
    this.checkMissing();
  }

  /** Takes a CHUNK_ITEM of `size` bytes at `at`, whose key's offset is `logical`. @throws FsError EUCLEAN */
  addChunk(view: DataView, at: number, size: number, logical: number): Chunk {
    const { sectorSize, mixedGroups } = this.geometry;
    const member = (devid: number, uuid: string): Member => this.members.get(devid, uuid);
    return this.chunks.add(readChunkItem(view, at, size, logical, { sectorSize, mixedGroups, member }));
  }

  /**
   * Takes a DEV_ITEM of the chunk tree; `devid` is its key's offset.
   * @throws FsError EUCLEAN, or EINVAL when the device is smaller than the file system thinks
   */
  addDevice(view: DataView, at: number, size: number, devid: number): Member {
    if (size !== DevItem.size || DevItem.get.devid(view, at) !== devid) {
      throw new FsError('EUCLEAN', { detail: `device item ${devid}: size ${size} or devid is wrong` });
    }
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const member = this.members.get(devid, hex(bytes, at + DevItem.at.uuid));
    member.totalBytes = DevItem.get.total_bytes(view, at);
    member.bytesUsed = DevItem.get.bytes_used(view, at);
    if (member.bytesUsed > member.totalBytes) {
      const detail = `device item ${devid}: bytes_used ${member.bytesUsed} > total_bytes ${member.totalBytes}`;
      throw new FsError('EUCLEAN', { detail });
    }
    if (member.device !== null && member.device.size < member.totalBytes) {
      const detail = `device ${devid} has ${member.device.size} bytes, the file system needs ${member.totalBytes}`;
      throw new FsError('EINVAL', { path: member.device.name, detail });
    }
    return member;
  }

  /**
   * After the chunk tree was read: what a person must know about absent and outdated devices.
   * @throws FsError EIO naming the devices when more are missing than a chunk can bear, EINVAL of a strange device
   */
  checkMembers(): string[] {
    this.members.refuseStrangers();
    this.checkMissing();
    const notes: string[] = [];
    for (const { devid, device, stale } of this.members.all) {
      if (device === null) {
        const writing = this.members.degraded ? 'written to the others only' : 'not writable';
        notes.push(`device ${devid} missing: shown from the other copies, ${writing}`);
      }
      if (device !== null && stale) notes.push(`device ${devid} (${device.name}) is older than the others`);
    }
    return notes;
  }

  /** Makes the faces for file data. `lookup` is null when checksums are to be ignored (--no-data-csum). */
  attachData(name: string, checksum: DataChecksum, lookup: CsumLookup | null): void {
    const { sectorSize } = this.geometry;
    this.data = new DataFace(this, { name, sectorSize, checksum, lookup, sums: true });
    this.raw = new DataFace(this, { name, sectorSize, checksum, lookup: null, sums: false });
  }

  /** The checksums of data written through `data`, each buffer following the one before; forgotten here. */
  takeCsums(bytenr: number, length: number): Uint8Array[] {
    return this.data.takeCsums(bytenr, length);
  }

  /** @throws FsError EIO naming the devices without which a chunk cannot be read */
  private checkMissing(): void {
    for (const chunk of this.chunks) {
      const gone = new Set<number>();
      for (const { member } of chunk.stripes) if (member.device === null) gone.add(member.devid);
      if (gone.size <= chunk.profile.tolerated) continue;
      const detail = `device ${[...gone].join(', ')} missing; chunk ${chunk.logical} (${chunk.profile.name}) needs it`;
      throw new FsError('EIO', { detail: `${detail}: name it with --device` });
    }
  }

  /** How many copies of a logical address can be read one by one, those rebuilt from parity included. */
  mirrors(bytenr: number): number {
    return this.chunks.get(bytenr, 1).mirrors;
  }

  /** Bytes of a range that lie in the chunk of its start: file data may go on in the next one. @throws FsError EUCLEAN */
  private inFirstChunk(bytenr: number, length: number): number {
    return Math.min(length, this.chunks.get(bytenr, 1).end - bytenr);
  }

  /** Fills `into` from one copy. @throws FsError EIO missing or unreadable, EUCLEAN outside all chunks */
  readMirror(bytenr: number, into: Uint8Array, mirror: number): void {
    const first = this.inFirstChunk(bytenr, into.length);
    if (first < into.length) {
      this.readMirror(bytenr, into.subarray(0, first), mirror);
      return this.readMirror(bytenr + first, into.subarray(first), mirror);
    }
    const chunk = this.chunks.get(bytenr, into.length);
    for (let done = 0; done < into.length; ) {
      const offset = bytenr - chunk.logical + done;
      const place = this.place;
      chunk.place(offset, mirror, place);
      const run = Math.min(place.run, into.length - done);
      const part = run === into.length ? into : into.subarray(done, done + run);
      readRun(chunk, place, part, mirror);
      done += run;
    }
  }

  /** Fills `into` from the first copies that can be read; nothing is verified. @throws FsError EIO, EUCLEAN */
  read(bytenr: number, into: Uint8Array): void {
    const first = this.inFirstChunk(bytenr, into.length);
    if (first < into.length) {
      this.read(bytenr, into.subarray(0, first));
      return this.read(bytenr + first, into.subarray(first));
    }
    const chunk = this.chunks.get(bytenr, into.length);
    for (let done = 0; done < into.length; ) {
      const offset = bytenr - chunk.logical + done;
      chunk.place(offset, 1, this.place);
      const run = Math.min(this.place.run, into.length - done);
      this.readAny(chunk, offset, run === into.length ? into : into.subarray(done, done + run));
      done += run;
    }
  }

  /** Reads a run from its copies in turn, those on outdated devices last. */
  private readAny(chunk: Chunk, offset: number, into: Uint8Array): void {
    let failure: FsError | null = null;
    for (const stale of [false, true]) {
      for (let mirror = 1; mirror <= chunk.mirrors; mirror++) {
        const place = this.place;
        chunk.place(offset, mirror, place);
        const rebuilt = chunk.parity && mirror > 1;
        const { member } = chunk.stripes[place.stripe] as Chunk['stripes'][number];
        if ((member.stale && !rebuilt) !== stale) continue;
        try {
          return readRun(chunk, place, into, mirror);
        } catch (error) {
          if (!(error instanceof FsError) || error.code !== 'EIO') throw error;
          failure ??= error;
        }
      }
    }
    throw failure ?? new FsError('EIO', { detail: `logical ${chunk.logical + offset} cannot be read` });
  }

  /** Writes to every copy whose device is there, and keeps parity. Not durable before flush(). @throws FsError EIO, EROFS */
  write(bytenr: number, from: Uint8Array): void {
    this.prepareWrite();
    const first = this.inFirstChunk(bytenr, from.length);
    if (first < from.length) {
      this.write(bytenr, from.subarray(0, first));
      return this.write(bytenr + first, from.subarray(first));
    }
    const chunk = this.chunks.get(bytenr, from.length);
    const offset = bytenr - chunk.logical;
    if (chunk.parity) return writeRows(chunk, offset, from, this.sound);
    for (let done = 0; done < from.length; ) {
      let run = 0;
      for (let mirror = 1; mirror <= chunk.mirrors; mirror++) {
        const place = this.place;
        chunk.place(offset + done, mirror, place);
        run = Math.min(place.run, from.length - done);
        const { member, addr } = chunk.stripes[place.stripe] as Chunk['stripes'][number];
        if (member.device === null) continue;
        member.write(addr + place.offset, run === from.length ? from : from.subarray(done, done + run));
      }
      done += run;
    }
  }

  /** Writes the buffers one after the other from `bytenr` on. @throws FsError EIO, EROFS */
  writev(bytenr: number, from: readonly Uint8Array[]): void {
    this.prepareWrite();
    let length = 0;
    for (const part of from) length += part.length;
    const chunk = this.chunks.get(bytenr, 1);
    if (chunk.parity || chunk.dataStripes > 1 || bytenr + length > chunk.end)
      return this.write(bytenr, Buffer.concat(from));
    for (const { member, addr } of chunk.stripes) {
      if (member.device !== null) member.writev(addr + bytenr - chunk.logical, from);
    }
  }

  /** Data that have checksums agree with them. */
  private readonly sound = (bytenr: number, bytes: Uint8Array): boolean =>
    (this.chunks.get(bytenr, 1).type & BlockGroupFlag.DATA) === 0 || this.data.isSound(bytenr, bytes);

  private prepareWrite(): void {
    if (this.writing) return;
    this.members.enableWrites();
    this.writing = true;
  }

  /** All that was written is durable on every device. */
  flush(): void {
    this.members.flush();
  }

  /** Where a logical range lies: every copy of every piece, parities left out. @throws FsError EUCLEAN */
  map(bytenr: number, length: number): PhysicalPlace[] {
    const chunk = this.chunks.get(bytenr, length);
    const places: PhysicalPlace[] = [];
    const place = new Place();
    const copies = chunk.parity ? 1 : chunk.mirrors;
    for (let done = 0; done < length; done += Math.min(place.run, length - done)) {
      for (let mirror = 1; mirror <= copies; mirror++) {
        chunk.place(bytenr - chunk.logical + done, mirror, place);
        const { member, addr } = chunk.stripes[place.stripe] as Chunk['stripes'][number];
        const { devid, device } = member;
        const piece = Math.min(place.run, length - done);
        places.push({ devid, device: device?.name ?? null, addr: addr + place.offset, length: piece, mirror });
      }
    }
    return places;
  }
}

function readRun(chunk: Chunk, place: Place, into: Uint8Array, mirror: number): void {
  if (chunk.parity && mirror > 1) {
    const start = place.offset - place.row * STRIPE_LEN;
    return rebuildCell(chunk, place.row, place.cell, start, into, mirror);
  }
  const { member, addr } = chunk.stripes[place.stripe] as Chunk['stripes'][number];
  member.read(addr + place.offset, into);
}

function badArray(at: number, rule: string): FsError {
  return new FsError('EUCLEAN', { damage: { structure: 'superblock', field: `sys_chunk_array+${at}`, rule } });
}
