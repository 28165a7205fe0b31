/** What an overlay file holds: its records up to the last flush that is wholly there. */
import { readSync } from 'node:fs';
import { crc32c } from '../../checksum.ts';
import { corrupt } from '../../errors.ts';
import { BLOCK, decodeHeader, decodeRecord, HEADER_SIZE, type Identity, Kind, OverlayRecord } from './format.ts';

export interface Overlay {
  readonly identity: Identity;
  readonly generation: number;
  /** Where in the file each changed block of the image is. */
  readonly map: Map<number, number>;
  /** Where the next record goes. */
  readonly end: number;
  /** The last thing that was begun is writing all of it to the image. */
  readonly committing: boolean;
}

interface Group {
  readonly records: { readonly addr: number; readonly length: number; readonly place: number; readonly crc: number }[];
  readonly end: number;
  readonly committing: boolean;
}

/** Reads the file. @throws FsError EUCLEAN if it is no overlay */
export function readOverlay(fd: number, path: string): Overlay {
  const block = Buffer.alloc(HEADER_SIZE);
  readSync(fd, block, 0, HEADER_SIZE, 0);
  const header = decodeHeader(block);
  if (typeof header === 'string') throw corrupt({ structure: `overlay header of ${path}`, addr: 0, rule: header });
  const groups = readGroups(fd, header.generation);
  const last = groups.at(-1);
  if (last !== undefined && !last.records.every((record) => sound(fd, record))) groups.pop();
  const map = new Map<number, number>();
  for (const { records } of groups)
    for (const { addr, length, place } of records)
      for (let done = 0; done < length; done += BLOCK) map.set((addr + done) / BLOCK, place + done);
  const end = groups.at(-1)?.end ?? HEADER_SIZE;
  return { identity: header, generation: header.generation, map, end, committing: groups.at(-1)?.committing ?? false };
}

/** The records between flushes; what follows the last flush is left out. */
function readGroups(fd: number, generation: number): Group[] {
  const groups: Group[] = [];
  const head = Buffer.alloc(OverlayRecord.size);
  let records: Group['records'] = [];
  let committing = false;
  for (let at = HEADER_SIZE; readSync(fd, head, 0, head.length, at) === head.length; ) {
    const record = decodeRecord(head, generation);
    if (record === null) break;
    const place = at + head.length;
    at = place + record.length;
    if (record.kind === Kind.DATA) {
      if (record.addr % BLOCK !== 0) break;
      records.push({ addr: record.addr, length: record.length, place, crc: record.data_crc });
    } else if (record.kind === Kind.COMMIT) committing = true;
    else if (record.kind === Kind.FLUSH) {
      groups.push({ records, end: at, committing });
      records = [];
      committing = false;
    } else break;
  }
  return groups;
}

function sound(fd: number, { length, place, crc }: { length: number; place: number; crc: number }): boolean {
  const data = Buffer.alloc(length);
  return readSync(fd, data, 0, length, place) === length && crc32c(data) === crc;
}
