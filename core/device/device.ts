/**
 * Bytes at addresses: what every layer above reads from and writes to. Synchronous. A device knows nothing of
 * file systems. Addresses and lengths are bytes.
 */
import type { Neighbour } from './neighbours.ts';

export interface Device {
  /** What a person calls it: the path or URL as given. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /** The smallest unit the device can write atomically, in bytes (512 for a file). */
  readonly sectorSize: number;
  /** False if write() will refuse with EROFS until enableWrites() was called. */
  readonly writable: boolean;
  /**
   * Makes a device that was opened for reading writable; called once, before the first change. Absent: `writable`
   * never changes. @throws FsError EROFS (asked for read-only), EBUSY (in use elsewhere), EACCES,
   * ESTALE (what was read before is out of date)
   */
  enableWrites?(): void;
  /** Another process has changed it since it was opened: what was read before is out of date. Absent: nobody can. */
  readonly stale?: boolean;
  /** The caller has forgotten what he read before: it is as if it had been opened now. @throws FsError as opening does */
  startOver?(): void;
  /** Fills `into` from `addr`. @throws FsError EIO on a short read or beyond the end */
  read(addr: number, into: Uint8Array): void;
  /** Writes all of `from` at `addr`. Not durable before flush(). @throws FsError EROFS, EIO, ENOSPC */
  write(addr: number, from: Uint8Array): void;
  /** Writes the buffers one after the other, starting at `addr`: one device write. */
  writev(addr: number, from: readonly Uint8Array[]): void;
  /** Returns when all that was written is durable. */
  flush(): void;
  close(): void;
  /**
   * What lies beside it on the host, nearest names first, with `length` bytes from `addr` of each: where a file
   * system of several devices looks for its others. Absent: nothing is known.
   */
  neighbours?(addr: number, length: number): Iterable<Neighbour>;
  /** Opens a neighbour as this device was opened. @throws FsError as openDevice() */
  openNeighbour?(name: string): Device;
}
