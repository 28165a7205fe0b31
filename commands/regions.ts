/** The table of mapped regions, as xfs_io keeps and prints it. */
import { exactPos } from '../core/positions.ts';
import type { OpenFile } from './open-file.ts';
import type { Session } from './session.ts';
import { right, type TextSink } from './text.ts';

export interface Protection {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
}

/** A mapped range of a file. Bytes; it may reach beyond the end of the file. */
export interface Region {
  readonly file: OpenFile;
  /** File position, bytes. */
  readonly offset: number;
  /** Bytes. */
  length: number;
  readonly protection: Protection;
  readonly synchronous: boolean;
  /** Bytes that mmap -s reserved for it to grow. */
  readonly room: number;
  /** Pages of the file that were stored to, by number: while dirty, they are writable. */
  readonly stored: Set<number>;
}

export interface RegionTable {
  readonly regions: readonly Omit<Region, 'file' | 'room' | 'stored'>[];
  /** The files that they are mappings of. */
  readonly names: readonly string[];
  /** The current one's index; -1: none. */
  readonly current: number;
}

export function regionTable(session: Session): RegionTable {
  const { regions, region } = session;
  return {
    regions: regions.map(({ offset, length, protection, synchronous }) => ({
      offset,
      length,
      protection,
      synchronous,
    })),
    names: regions.map(({ file }) => file.name),
    current: region === null ? -1 : regions.indexOf(region),
  };
}

/** Where regions are said to lie, 4 GiB apart: there are no addresses here, but lines want some. */
export const BASE = 0x7f00_0000_0000;

export function writeRegions({ regions, names, current }: RegionTable, out: TextSink): void {
  for (const [i, { offset, length, protection, synchronous }] of regions.entries()) {
    const [before, after] = i === current ? ['[', ']'] : [' ', ' '];
    const bits = `${protection.read ? 'r' : '-'}${protection.write ? 'w' : '-'}${protection.execute ? 'x' : '-'}`;
    const start = BASE + i * 2 ** 32;
    const range = `0x${start.toString(16)} - 0x${(start + length).toString(16)}`;
    const mode = synchronous ? `${bits} S` : bits;
    out.write(`${before}${String(i).padStart(3, '0')}${after} ${range} ${mode}  `);
    out.write(`${right(names[i] as string, 14)} (${exactPos(offset)} : ${length})\n`);
  }
}
