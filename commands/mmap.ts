/**
 * mmap, mread, mwrite, msync, munmap, mremap: mapped regions of open files (xfs_io's io/mmap.c). A region has no
 * memory of its own: a load faults the page in and reads the page cache, a store makes the page writable first
 * (page_mkwrite), as the hardware would have it. Beyond the file's last page both end xfs_io with SIGBUS; here they
 * end the run, with the exit status that a shell gives for it.
 */
import { FsError } from '../core/errors.ts';
import { type DaxPiece, daxFault } from '../core/iomap/dax.ts';
import { faultPage, pageMkwrite } from '../core/iomap/write.ts';
import { exactPos } from '../core/positions.ts';
import { command, usage } from './command.ts';
import { CommandFailure, perror } from './failure.ts';
import { addressOf, PAGE, rangeOf } from './mapped-range.ts';
import type { OpenFile } from './open-file.ts';
import { writeDump } from './pread.ts';
import { type Protection, type Region, type RegionTable, regionTable, writeRegions } from './regions.ts';
import type { Session } from './session.ts';
import { parseDecimal, parseInteger, parseSize } from './words.ts';

/** What a shell reports for a program that SIGBUS ended. */
const SIGBUS_STATUS = 135;

export const mmap = command({
  name: 'mmap',
  alias: 'mm',
  operands: '[n] | [off len]',
  about: 'map a range of the open file, or show and choose mappings',
  options: {
    r: { about: 'readable' },
    S: { about: 'synchronous faults' },
    s: { value: 'size', kind: 'text', about: 'accepted: room to grow' },
    w: { about: 'writable' },
    x: { about: 'executable' },
  },
  needs: 'nothing',
  perFile: true,
  // One word chooses a mapping, open file or not.
  own: (words) => words.length < 2,
  plain: (words) => words.length < 2,
  once: true,
  run(session, { options, operands, words }): RegionTable | undefined {
    // A single word chooses a mapping, whatever it is.
    if (words.length < 2) {
      if (session.regions.length > 0) return showRegions(session, words[0]);
      const text =
        session.current === null ? "no files are open, try 'help open'" : "no mapped regions, try 'help mmap'";
      throw new CommandFailure(text);
    }
    const file = session.file();
    if (operands.length !== 2) throw usage(mmap);
    const { pos: offset, length } = session.range(...(operands as [string, string]), 'loose');
    const all = !options.r && !options.w && !options.x;
    const protection = { read: all || options.r, write: all || options.w, execute: all || options.x };
    checkMap(file, offset, length, protection, options.S);
    const room = Number(parseSize(options.s ?? '', session.blockSize, session.sectorSize) ?? 0n);
    session.map({ file, offset, length, protection, synchronous: options.S, room, stored: new Set() });
    return undefined;
  },
  text: writeRegions,
});

function showRegions(session: Session, word: string | undefined): RegionTable {
  if (word !== undefined) {
    const index = parseDecimal(word);
    const region = session.regions[index];
    if (region === undefined) {
      throw new CommandFailure(`value ${index} is out of range (0-${session.regions.length})`, { stream: 'stdout' });
    }
    session.region = region;
  }
  return regionTable(session);
}

/** What mmap(2) refuses. */
function checkMap(file: OpenFile, offset: number, length: number, protection: Protection, sync: boolean): void {
  if (offset % PAGE !== 0) throw new FsError('EINVAL');
  const { kind } = file.inode;
  if (length === 0) throw new FsError('EINVAL');
  // Whether the file system knows of synchronous faults is asked first, whether the file has them last.
  if (sync && (kind !== 'file' || file.mount.fs.type !== 'xfs')) throw new FsError('EOPNOTSUPP');
  if (protection.write && file.flags.readOnly) throw new FsError('EACCES');
  if (kind !== 'file') throw new FsError('ENODEV');
  if (sync && !file.flags.dax) throw new FsError('EOPNOTSUPP');
}

/** Touches the page at `pos` of the file, for reading or writing. @throws CommandFailure as SIGBUS beyond the last page, or where the file system fails */
function touchPage(session: Session, region: Region, pos: number, write: boolean): DaxPiece | null {
  const { inode } = region.file;
  const page = pos - (pos % PAGE);
  if (page >= inode.size) {
    session.ended = true;
    throw new CommandFailure('Bus error', { code: 'EFAULT', status: SIGBUS_STATUS });
  }
  try {
    if (region.file.flags.dax) {
      const { offset, length } = region;
      return daxFault(inode, page, write, offset, offset + length);
    }
    const { offset, length, protection } = region;
    const mapping = { executable: protection.execute, end: offset + length };
    if (!write) {
      faultPage(inode, page, mapping);
      return null;
    }
    // Once stored to, a page takes further stores without a fault, until it is written back.
    const { pages } = inode;
    const index = Math.floor(page / pages.pageSize);
    const from = index * pages.pageSize;
    const to = Math.min(from + pages.pageSize, inode.size);
    const dirty = pages.isDirty(from) && pages.dirtyRunEnd(from, to) >= to;
    if (region.stored.has(index) && dirty) return null;
    inode.touch();
    pageMkwrite(inode, page, mapping);
    region.stored.add(index);
    return null;
  } catch (error) {
    // A fault has no other way to fail: no space, a damaged map and a bad sector are all SIGBUS to the program.
    if (!(error instanceof FsError)) throw error;
    session.ended = true;
    throw perror('Bus error', error, { status: SIGBUS_STATUS });
  }
}

/** The parts of a range that lie in one page each, from the front or from the back. */
function* pageParts(offset: number, length: number, backward: boolean): Generator<{ pos: number; length: number }> {
  const end = offset + length;
  const first = Math.floor(offset / PAGE);
  const count = Math.ceil(end / PAGE) - first;
  for (let i = 0; i < count; i++) {
    const page = (backward ? first + count - 1 - i : first + i) * PAGE;
    const pos = Math.max(page, offset);
    yield { pos, length: Math.min(page + PAGE, end) - pos };
  }
}

/** The part of a range that is in the mapping's pages: xfs_io lets some ranges pass that reach into other memory. */
function within(region: Region, offset: number, length: number): number {
  const end = region.offset + Math.ceil(region.length / PAGE) * PAGE;
  return Math.max(0, Math.min(length, end - offset));
}

interface Dump {
  /** File position, bytes. */
  readonly offset: number;
  /** What is there; with --json as base64. */
  readonly data: Uint8Array;
}

export const mread = command({
  name: 'mread',
  needs: 'mapping',
  alias: 'mr',
  operands: '[off len]',
  about: 'read a range of the current mapping',
  options: {
    f: { about: 'dump it, with offsets in the file' },
    r: { about: 'from the end to the start' },
    v: { about: 'dump it, with offsets in the mapping' },
  },
  *run(session, args): Generator<Dump> {
    const { options, operands } = args;
    const { offset, length } = rangeOf(session, operands, usage(mread));
    const region = session.mapped();
    if (!region.protection.read && !region.protection.write) {
      session.ended = true;
      throw new CommandFailure('Segmentation fault', { code: 'EFAULT', status: 139 });
    }
    const style = args.last('fv');
    const printed = style === 'f' ? offset : offset - region.offset;
    // xfs_io dumps a first piece that leaves whole pages, and never finds the end of one of a single byte.
    const first = length % PAGE || PAGE;
    session.buffer(PAGE).fill(0);
    let piece = session.buffer(first);
    let filled = 0;
    let done = 0;
    for (const part of pageParts(offset, within(region, offset, length), options.r)) {
      const mapped = touchPage(session, region, part.pos, false);
      if (style === null || first === 1) continue;
      const bytes = new Uint8Array(part.length);
      if (mapped === null) region.file.inode.pages.copyOut(part.pos, bytes, 0, part.length);
      else mapped.device?.read(mapped.addr + (part.pos - mapped.pos), bytes);
      if (options.r) bytes.reverse();
      for (const byte of bytes) {
        piece[filled++] = byte;
        if (filled < piece.length) continue;
        yield { offset: printed + done, data: piece };
        done += filled;
        filled = 0;
        piece = session.buffer(PAGE);
      }
    }
    if (style === null && !region.file.flags.dax) keepLast(session, region, offset, length, options.r);
  },
  text: ({ offset, data }, out) => writeDump(offset, data, out),
  json: ({ offset, data }) => ({
    command: 'mread',
    offset: exactPos(offset),
    data: Buffer.from(data).toString('base64'),
  }),
});

/** xfs_io's buffer holds what was loaded last, a page at most: pwrite -u would write it. */
function keepLast(session: Session, region: Region, offset: number, length: number, backward: boolean): void {
  const kept = Math.min(within(region, offset, length), PAGE);
  const last = session.buffer(PAGE).subarray(0, kept);
  region.file.file.inode.pages.copyOut(backward ? offset : offset + length - kept, last, 0, kept);
  if (backward) last.reverse();
}

export const mwrite = command({
  name: 'mwrite',
  needs: 'mapping',
  alias: 'mw',
  operands: '[off len]',
  about: 'store a byte all over a range of the current mapping',
  options: {
    r: { about: 'from the end to the start' },
    S: { value: 'byte', kind: 'text', about: 'this byte (default X)' },
  },
  run(session, { options, operands }): undefined {
    const byte = options.S === undefined ? 0x58 : parseInteger(options.S);
    if (byte === null) throw new CommandFailure(`non-numeric seed -- ${options.S}`, { stream: 'stdout', silent: true });
    const { offset, length } = rangeOf(session, operands, usage(mwrite));
    const region = session.mapped();
    const { inode } = region.file;
    if (!region.protection.write) {
      session.ended = true;
      throw new CommandFailure('Segmentation fault', { code: 'EFAULT', status: 139 });
    }
    const bytes = new Uint8Array(PAGE).fill(byte & 0xff);
    for (const part of pageParts(offset, within(region, offset, length), options.r)) {
      const mapped = touchPage(session, region, part.pos, true);
      // What is stored behind the end of the file never reaches it: dropped here, zeroed at writeback in Linux.
      const kept = Math.min(part.length, inode.size - part.pos);
      if (kept <= 0) continue;
      if (mapped === null) inode.pages.copyIn(part.pos, bytes, 0, kept);
      else mapped.device?.write(mapped.addr + (part.pos - mapped.pos), bytes.subarray(0, kept));
    }
  },
});

export const msync = command({
  name: 'msync',
  needs: 'mapping',
  alias: 'ms',
  operands: '[off len]',
  about: 'write a range of the current mapping back',
  options: {
    a: { about: 'start only' },
    i: { about: 'accepted: other mappings see the same pages anyway' },
    s: { about: 'and wait until it is durable' },
  },
  run(session, { options, operands }): undefined {
    const { offset, length } = rangeOf(session, operands, usage(msync));
    if (offset % PAGE !== 0) {
      throw new CommandFailure(`offset address (${addressOf(session, offset)}) is not page aligned`, {
        stream: 'stdout',
      });
    }
    if (options.a && options.s) throw perror('msync', new FsError('EINVAL'));
    const end = offset + Math.ceil(length / PAGE) * PAGE;
    if (options.s && length > 0) session.mapped().file.inode.fsync(true, offset, end);
  },
});

export const munmap = command({
  name: 'munmap',
  needs: 'mapping',
  alias: 'mu',
  count: [0, 0],
  about: 'end the current mapping',
  run(session): RegionTable {
    session.unmap();
    return regionTable(session);
  },
  text: writeRegions,
});

export const mremap = command({
  name: 'mremap',
  needs: 'mapping',
  alias: 'mrm',
  count: [1, 3],
  operands: 'len',
  about: 'change the length of the current mapping',
  options: {
    f: { value: 'addr', kind: 'text', about: 'accepted: where to' },
    m: { about: 'accepted: the mapping may move' },
  },
  run(session, { options, operands }): undefined {
    if (operands.length !== 1) throw usage(mremap);
    const length = session.size(operands[0] as string, 'offset argument');
    const place = options.f === undefined ? 0 : session.sizeOrNull(options.f);
    if (length === 0 || place === null || place % PAGE !== 0) throw perror('mremap', new FsError('EINVAL'));
    const region = session.mapped();
    // Without leave to move, there is no room behind a mapping but what mmap -s reserved.
    const room = Math.max(Math.ceil(region.length / PAGE) * PAGE, region.room);
    if (length > room && !options.m && options.f === undefined) throw perror('mremap', new FsError('ENOMEM'));
    region.length = length;
  },
});
