/** The two states of an image that are compared. */
import type { Device } from '../../../core/device/device.ts';
import type { XfsMount } from '../mount.ts';

export interface Pair {
  readonly was: XfsMount;
  readonly is: XfsMount;
}

/** Bytes of a state; unverified. @throws FsError EIO */
export function bytesAt(device: Device, addr: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  device.read(addr, bytes);
  return bytes;
}
