/**
 * Partition tables on a whole-disk image: GPT and MBR, numbered as Linux numbers them.
 *
 *     MBR   sector 0: four entries of 16 bytes at 446, 55 AA at 510. An entry of type 5, f or 85 is an extended
 *           partition: a chain of sectors like this one, each with one logical partition (relative to itself) and a
 *           link to the next (relative to the extended partition). Logical partitions count from 5.
 *     GPT   an MBR with an entry of type EE; header in sector 1, a copy in the last; header and entries have a CRC-32.
 *
 * Every length and link is checked before it is followed: a chain that returns to itself ends. Nothing here knows what
 * a partition holds.
 */
import { crc32 } from '../checksum.ts';
import { FsError } from '../errors.ts';
import { bytes, le32, le32x, le64, struct, u8 } from '../struct.ts';
import type { Device } from './device.ts';

/** One partition. Bytes. */
export interface Partition {
  /** As Linux counts: sda5 is 5. */
  readonly number: number;
  readonly start: number;
  readonly length: number;
  /** The type as the table gives it: `0x83`, or a GUID. */
  readonly type: string;
  /** What that type is for, where known. */
  readonly about: string | null;
  /** The label that GPT keeps. */
  readonly label: string | null;
}

export interface PartitionTable {
  readonly kind: 'mbr' | 'gpt';
  readonly partitions: readonly Partition[];
  /** What is wrong with the table, though it could be read. */
  readonly notes: readonly string[];
}

const MBR_ENTRIES = 446;
const MBR_ENTRY = 16;
const SIGNATURE = 0xaa55;
const PROTECTIVE = 0xee;
const EXTENDED = new Set([0x05, 0x0f, 0x85]);
/** Logical partitions that are followed: what Linux can name. */
const LOGICAL_LIMIT = 256;

const MbrEntry = struct('mbr_entry', MBR_ENTRY, {
  status: u8,
  first_chs: bytes(3),
  type: u8,
  last_chs: bytes(3),
  start: le32,
  sectors: le32,
});

const GptHeader = struct('gpt_header', 92, {
  signature: bytes(8),
  revision: le32x,
  header_size: le32,
  header_crc: le32x,
  reserved: le32,
  my_lba: le64,
  alternate_lba: le64,
  first_usable: le64,
  last_usable: le64,
  disk_guid: bytes(16),
  entries_lba: le64,
  entries: le32,
  entry_size: le32,
  entries_crc: le32x,
});

const GptEntry = struct('gpt_entry', 128, {
  type: bytes(16),
  guid: bytes(16),
  first: le64,
  last: le64,
  attributes: bytes(8),
  name: bytes(72),
});

/** The partition table of a disk, or null if there is none. @throws FsError EIO, EUCLEAN (a GPT of which no copy is sound) */
export function readPartitions(device: Device): PartitionTable | null {
  if (device.size < 1024) return null;
  const sector = sectorAt(device, 0, 512);
  const entries = mbrEntries(sector);
  if (entries === null) return null;
  if (entries.some(({ type }) => type === PROTECTIVE)) return readGpt(device);
  const unit = device.sectorSize === 4096 ? 4096 : 512;
  return { kind: 'mbr', ...readMbr(device, entries, unit) };
}

interface MbrSlot {
  readonly slot: number;
  readonly type: number;
  /** Sectors. */
  readonly start: number;
  readonly sectors: number;
}

/** The used entries of a boot sector, or null if it has no partition table: a boot loader's sector has the signature too. */
function mbrEntries(sector: DataView): MbrSlot[] | null {
  if (sector.getUint16(510, true) !== SIGNATURE) return null;
  const found: MbrSlot[] = [];
  for (let slot = 0; slot < 4; slot++) {
    const at = MBR_ENTRIES + slot * MBR_ENTRY;
    const status = MbrEntry.get.status(sector, at);
    if (status !== 0 && status !== 0x80) return null;
    const type = MbrEntry.get.type(sector, at);
    const start = MbrEntry.get.start(sector, at);
    const sectors = MbrEntry.get.sectors(sector, at);
    if (type !== 0 && sectors > 0) found.push({ slot, type, start, sectors });
  }
  return found.length === 0 && !blank(sector) ? null : found;
}

function blank(sector: DataView): boolean {
  for (let at = MBR_ENTRIES; at < 510; at++) if (sector.getUint8(at) !== 0) return false;
  return true;
}

function readMbr(device: Device, entries: readonly MbrSlot[], unit: number): Omit<PartitionTable, 'kind'> {
  const partitions: Partition[] = [];
  const notes: string[] = [];
  const add = (number: number, type: number, start: number, sectors: number) =>
    partitions.push({
      number,
      start: start * unit,
      length: sectors * unit,
      type: `0x${type.toString(16).padStart(2, '0')}`,
      about: MBR_TYPES[type] ?? null,
      label: null,
    });
  for (const { slot, type, start, sectors } of entries) add(slot + 1, type, start, sectors);
  let number = 5;
  for (const extended of entries.filter(({ type }) => EXTENDED.has(type))) {
    const seen = new Set<number>();
    for (let at: number | null = extended.start; at !== null; ) {
      if (seen.has(at) || (at + 1) * unit > device.size || number > LOGICAL_LIMIT) {
        notes.push(`the chain of logical partitions breaks off at sector ${at}`);
        break;
      }
      seen.add(at);
      const here: number = at;
      const links = mbrEntries(sectorAt(device, here * unit, 512));
      if (links === null) {
        notes.push(`no partition table in sector ${here}, where a logical partition should be`);
        break;
      }
      at = null;
      for (const link of links) {
        if (EXTENDED.has(link.type)) at ??= extended.start + link.start;
        else add(number++, link.type, here + link.start, link.sectors);
      }
    }
  }
  return { partitions, notes };
}

function readGpt(device: Device): PartitionTable {
  const units = device.sectorSize === 4096 ? [4096, 512] : [512, 4096];
  const faults: string[] = [];
  for (const unit of units) {
    const last = Math.floor(device.size / unit) - 1;
    for (const lba of [1, last]) {
      const found = gptAt(device, lba, unit);
      if (typeof found !== 'string') {
        const notes =
          lba === 1
            ? []
            : [`the first GPT header is damaged (${faults[0] ?? 'no signature'}); read from the copy at the end`];
        return { kind: 'gpt', partitions: found, notes };
      }
      if (found !== '') faults.push(found);
    }
  }
  throw new FsError('EUCLEAN', {
    damage: {
      structure: 'GPT header',
      addr: units[0] as number,
      rule: faults[0] ?? 'no signature, nor at the end of the disk',
    },
  });
}

/** The partitions of the GPT whose header is in sector `lba`, or what is wrong with it ('': there is none). */
function gptAt(device: Device, lba: number, unit: number): Partition[] | string {
  if (lba < 1 || (lba + 1) * unit > device.size) return '';
  const header = sectorAt(device, lba * unit, unit);
  if (Buffer.from(header.buffer, header.byteOffset, 8).toString('latin1') !== 'EFI PART') return '';
  const size = GptHeader.get.header_size(header, 0);
  if (size < GptHeader.size || size > unit) return `header_size ${size}`;
  const whole = new Uint8Array(header.buffer, header.byteOffset, size).slice();
  const view = new DataView(whole.buffer);
  GptHeader.set.header_crc(view, 0, 0);
  if (crc32(whole) !== GptHeader.get.header_crc(header, 0)) return 'header_crc';
  const { my_lba, entries_lba, entries, entry_size, entries_crc } = decodeHeader(header);
  if (my_lba !== lba) return `my_lba ${my_lba} in sector ${lba}`;
  if (entry_size < GptEntry.size || entry_size % 8 !== 0 || entry_size > 4096) return `entry_size ${entry_size}`;
  if (entries > 16384) return `entries ${entries}`;
  const length = entries * entry_size;
  if (entries_lba * unit + length > device.size) return `entries_lba ${entries_lba}`;
  const table = new Uint8Array(length);
  device.read(entries_lba * unit, table);
  if (crc32(table) !== entries_crc) return 'entries_crc';
  return gptEntries(new DataView(table.buffer), entries, entry_size, unit);
}

function decodeHeader(header: DataView) {
  try {
    return GptHeader.decode(header, 0);
  } catch (error) {
    // A 64-bit address beyond 2^53: outside of any device.
    if (!(error instanceof FsError)) throw error;
    return { my_lba: -1, entries_lba: 0, entries: 0, entry_size: 0, entries_crc: 0 };
  }
}

function gptEntries(table: DataView, count: number, size: number, unit: number): Partition[] {
  const partitions: Partition[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * size;
    const type = guidText(GptEntry.get.type(table, at));
    if (type === NO_TYPE) continue;
    const first = lba(table, at + GptEntry.at.first);
    const last = lba(table, at + GptEntry.at.last);
    partitions.push({
      number: index + 1,
      start: first * unit,
      length: Math.max(0, last + 1 - first) * unit,
      type,
      about: GPT_TYPES[type] ?? null,
      label: labelText(GptEntry.get.name(table, at)),
    });
  }
  return partitions;
}

/** A sector number; one that no device has becomes one that none can have. */
function lba(table: DataView, at: number): number {
  return Math.min(Number(table.getBigUint64(at, true)), 2 ** 43);
}

function sectorAt(device: Device, addr: number, length: number): DataView {
  const sector = new Uint8Array(length);
  device.read(addr, sector);
  return new DataView(sector.buffer);
}

/** A GUID as text: its first three parts are little-endian. */
function guidText(raw: Uint8Array): string {
  const hex = (from: number, to: number) => Buffer.from(raw.subarray(from, to)).toString('hex');
  const swapped = (from: number, to: number) => Buffer.from(raw.slice(from, to).reverse()).toString('hex');
  return [swapped(0, 4), swapped(4, 6), swapped(6, 8), hex(8, 10), hex(10, 16)].join('-');
}

function labelText(raw: Uint8Array): string | null {
  const text = Buffer.from(raw).toString('utf16le').replace(/\0.*$/s, '');
  return text === '' ? null : text;
}

const NO_TYPE = '00000000-0000-0000-0000-000000000000';

const MBR_TYPES: Record<number, string> = {
  5: 'Extended',
  7: 'NTFS or exFAT',
  11: 'FAT32',
  12: 'FAT32',
  15: 'Extended',
  130: 'Linux swap',
  131: 'Linux',
  133: 'Linux extended',
  142: 'Linux LVM',
  239: 'EFI system',
  253: 'Linux RAID',
};

const GPT_TYPES: Record<string, string> = {
  'c12a7328-f81f-11d2-ba4b-00a0c93ec93b': 'EFI system',
  '21686148-6449-6e6f-744e-656564454649': 'BIOS boot',
  '0fc63daf-8483-4772-8e79-3d69d8477de4': 'Linux filesystem',
  '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f': 'Linux swap',
  '933ac7e1-2eb4-4f13-b844-0e14e2aef915': 'Linux home',
  '4f68bce3-e8cd-4db1-96e7-fbcaf984b709': 'Linux root (x86-64)',
  'e6d6d379-f507-44c2-a23c-238f2a3df928': 'Linux LVM',
  'a19d880f-05fc-4d3b-a006-743f0f84911e': 'Linux RAID',
  'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7': 'Microsoft basic data',
};
