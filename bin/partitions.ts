/** `fsio --partitions IMAGE`: the partitions of a disk, and the file systems in them. */
import type { Streams } from '../commands/render.ts';
import { openDevice } from '../core/device/open.ts';
import { contentOf, sizeText } from '../core/device/part.ts';
import { type PartitionTable, readPartitions } from '../core/device/partition.ts';
import { FsError } from '../core/errors.ts';
import { formatName } from '../formats/probe.ts';
import type { CommandLine } from './arguments.ts';

type Listed = PartitionTable['partitions'][number] & { readonly format: string | null };

/** Lists the partitions of every image; the exit status. */
export function listPartitions(line: CommandLine, streams: Streams): number {
  let status = 0;
  for (const image of line.targets) {
    try {
      list(image, line.flags.has('json'), streams);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      streams.error(`fsio: ${error.withPath(image).message}`);
      status = 1;
    }
  }
  return status;
}

function list(image: string, json: boolean, streams: Streams): void {
  const device = openDevice(image, { readOnly: true });
  try {
    const table = readPartitions(device);
    const whole = formatName(device);
    const partitions = (table?.partitions ?? []).map(
      (partition): Listed => ({ ...partition, format: contentOf(device, partition, formatName) }),
    );
    for (const note of table?.notes ?? []) streams.error(`fsio: ${image}: ${note}`);
    const kind = table?.kind ?? null;
    if (json) {
      const object = { command: 'partitions', image, size: device.size, table: kind, format: whole, partitions };
      streams.out.write(`${JSON.stringify(object)}\n`);
      return;
    }
    const content = whole === null ? '' : `, ${whole}`;
    streams.out.write(`${image}: ${sizeText(device.size)}, ${kind?.toUpperCase() ?? 'no'} partition table${content}\n`);
    writeTable(partitions, streams);
  } finally {
    device.close();
  }
}

function writeTable(partitions: readonly Listed[], { out }: Streams): void {
  if (partitions.length === 0) return;
  out.write('   N          START         LENGTH  HOLDS   TYPE\n');
  for (const { number, start, length, format, type, about, label } of partitions) {
    const numbers = `${String(number).padStart(4)} ${String(start).padStart(14)} ${String(length).padStart(14)}`;
    const name = label === null ? '' : ` "${label}"`;
    out.write(`${numbers}  ${(format ?? '-').padEnd(7)} ${about ?? type}${name}\n`);
  }
}
