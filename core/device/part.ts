/** Which part of an image is meant: all of it, a partition of its table, or bytes from an offset. */
import { FsError } from '../errors.ts';
import type { Device } from './device.ts';
import { type Partition, type PartitionTable, readPartitions } from './partition.ts';
import { SliceDevice } from './slice.ts';

/** A partition's number, or a range in bytes (to the end, without a length). */
export type Part = { readonly partition: number } | { readonly offset: number; readonly length: number | null };

/** The part of the device as a device. @throws FsError EINVAL if there is no such part, saying which there are */
export function choosePart(device: Device, part: Part): Device {
  if (!('partition' in part)) {
    return new SliceDevice(device, part.offset, part.length ?? Math.max(0, device.size - part.offset));
  }
  const table = readPartitions(device);
  if (table === null) throw new FsError('EINVAL', { path: device.name, detail: 'there is no partition table' });
  const found = table.partitions.find(({ number }) => number === part.partition);
  if (found === undefined) {
    const numbers = table.partitions.map(({ number }) => number).join(', ');
    const detail = `no partition ${part.partition}; there ${numbers === '' ? 'are none' : `are ${numbers}`}`;
    throw new FsError('EINVAL', { path: device.name, detail });
  }
  // A truncated image: what is there of the partition. The file system in it says how much it misses.
  return new SliceDevice(device, found.start, Math.min(found.length, device.size - found.start));
}

/** What a whole disk holds, in one line: for whoever meant one of its partitions. `formatOf` names what is in one. */
export function describePartitions(
  device: Device,
  table: PartitionTable,
  formatOf: (part: Device) => string | null,
): string {
  const kind = table.kind.toUpperCase();
  if (table.partitions.length === 0) return `a disk with an empty ${kind} partition table`;
  const list = table.partitions.map((partition) => {
    const what = contentOf(device, partition, formatOf) ?? partition.about ?? partition.type;
    return `${partition.number} (${what}, ${sizeText(partition.length)} at ${partition.start})`;
  });
  return `a disk with a ${kind} partition table: ${list.join(', ')}; choose with --partition N`;
}

/** The format of a partition's content, or null. */
export function contentOf(
  device: Device,
  { start, length }: Partition,
  formatOf: (part: Device) => string | null,
): string | null {
  if (start >= device.size || length < 1) return null;
  return formatOf(new SliceDevice(device, start, Math.min(length, device.size - start)));
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** A size with at most one decimal: `99.5 MiB`. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${UNITS[unit]}`;
}
