/** One device of a file system: what its own superblock says of it, and whether it is there. */
import type { Device } from '../../../core/device/device.ts';
import { FsError } from '../../../core/errors.ts';
import { DevItem } from '../structure/chunk.ts';
import { SUPER_MAGIC, SuperBlock } from '../structure/superblock.ts';
import { readSuperblock } from '../superblock.ts';

/** What a superblock says about the device it lies on. */
export interface Identity {
  /** Hexadecimal, without dashes. `fsid` is the one users see; blocks carry `devFsid`, the metadata uuid. */
  readonly fsid: string;
  readonly devFsid: string;
  readonly devid: number;
  readonly uuid: string;
  readonly generation: number;
  readonly numDevices: number;
}

/** Who a device is, by the newest good copy of its superblock. @throws FsError EINVAL no btrfs, EUCLEAN */
export function identify(device: Device): Identity {
  return identityOf(readSuperblock(device).bytes) as Identity;
}

/** The identity in the bytes of a superblock; null if they are none. */
export function identityOf(bytes: Uint8Array): Identity | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (SuperBlock.get.magic(view, 0) !== SUPER_MAGIC) return null;
  const item = SuperBlock.at.dev_item;
  return {
    fsid: hex(bytes, SuperBlock.at.fsid),
    devFsid: hex(bytes, item + DevItem.at.fsid),
    devid: DevItem.get.devid(view, item),
    uuid: hex(bytes, item + DevItem.at.uuid),
    generation: SuperBlock.get.generation(view, 0),
    numDevices: SuperBlock.get.num_devices(view, 0),
  };
}

/** A 16-byte UUID as 32 hexadecimal digits. */
export function hex(bytes: Uint8Array, at: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, 16).toString('hex');
}

/** A read of a device that is not there: what opening the image has told already, and no damage to be told of. */
export class DeviceMissing extends FsError {
  constructor(devid: number) {
    super('EIO', { detail: `device ${devid} is missing` });
  }
}

/** A device that the chunk tree names. */
export class Member {
  readonly devid: number;
  /** Hexadecimal device uuid. */
  readonly uuid: string;
  /** Null while the device is missing. */
  device: Device | null;
  /** The generation in its own superblock; older than the others': it was away while the others were written. */
  generation: number;
  /** Belongs to a seed file system that this one sprouted from: never written. */
  seed = false;
  /** Behind the others: its copies are the last to be believed. */
  stale = false;
  /** Bytes that the file system may use, from the device item; 0 until that was read. */
  totalBytes = 0;
  /** Bytes taken by device extents, from the device item. */
  bytesUsed = 0;

  constructor(devid: number, uuid: string, device: Device | null, generation: number) {
    this.devid = devid;
    this.uuid = uuid;
    this.device = device;
    this.generation = generation;
  }

  /** @throws FsError EIO if the device is missing, cannot be read, or ends before */
  read(addr: number, into: Uint8Array): void {
    if (this.device === null) throw new DeviceMissing(this.devid);
    this.device.read(addr, into);
  }

  /** @throws FsError EIO missing, EROFS of a seed */
  write(addr: number, from: Uint8Array): void {
    this.forWriting().write(addr, from);
  }

  /** Several buffers, one after the other. @throws FsError as write() */
  writev(addr: number, from: readonly Uint8Array[]): void {
    this.forWriting().writev(addr, from);
  }

  private forWriting(): Device {
    if (this.device === null) throw new DeviceMissing(this.devid);
    if (this.seed) throw new FsError('EROFS', { detail: `device ${this.devid} is a seed` });
    return this.device;
  }
}
