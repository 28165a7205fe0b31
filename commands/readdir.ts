/** readdir: a directory's entries as getdents(2) gives them (xfs_io's io/readdir.c). */
import { FsError } from '../core/errors.ts';
import type { DirEntry } from '../core/vfs/inode.ts';
import { encodeName } from '../core/vfs/names.ts';
import { command } from './command.ts';
import { CommandFailure } from './failure.ts';
import { rates, stopwatch } from './report.ts';
import type { Session } from './session.ts';
import { parseSize } from './words.ts';

/** A position; 64 bits, where they are hashes of names. */
type Position = number | bigint;

interface Shown {
  readonly offset: Position;
  readonly entry: DirEntry;
  readonly length: number;
}

interface Summary {
  readonly offset: Position;
  readonly total: number;
  readonly ops: number;
  readonly seconds: number;
}

const TYPES: Readonly<Record<string, string>> = {
  file: 'DT_REG',
  dir: 'DT_DIR',
  symlink: 'DT_LNK',
  fifo: 'DT_FIFO',
  socket: 'DT_SOCK',
  char: 'DT_CHR',
  block: 'DT_BLK',
};

export const readdir = command({
  name: 'readdir',
  count: [0, 5],
  operands: '[-v][-o offset][-l length]',
  about: "read the open directory's entries",
  options: {
    l: { value: 'length', kind: 'text', about: 'stop after so many bytes of entries' },
    o: { value: 'offset', kind: 'text', about: 'start at this position' },
    v: { about: 'print them' },
  },
  *run(session, { options }): Generator<Shown | Summary> {
    const { named: inode, unusable } = session.file();
    // Without a directory xfs_io fails and says nothing.
    if (unusable || inode.kind !== 'dir') throw new CommandFailure('', { code: 'ENOTDIR', mute: true });
    const most = options.l === undefined ? Number.POSITIVE_INFINITY : session.sizeOrNull(options.l);
    const start = options.o === undefined ? 0 : position(session, options.o);
    const elapsed = stopwatch();
    let total = 0;
    let ops = 0;
    let offset: Position = start;
    for (const entry of inode.entries(start)) {
      if (most !== null && total >= most) break;
      const length = recordLength(entry);
      total += length;
      ops++;
      if (options.v) yield { offset, entry, length };
      offset = entry.offset;
    }
    yield { offset: start, total, ops, seconds: elapsed() };
  },
  text(result, out) {
    if ('total' in result) {
      out.write(`read ${result.total} bytes from offset ${result.offset}\n${rates(result, ',')}\n`);
      return;
    }
    const { offset, entry, length } = result;
    const hex = (value: Position) => value.toString(16).padStart(8, '0');
    const type = entry.kind === null ? 'DT_UNKNOWN' : (TYPES[entry.kind] ?? 'DT_UNKNOWN');
    const place = `${hex(offset)}: d_ino: 0x${hex(entry.ino)} d_off: 0x${hex(entry.offset)}`;
    out.write(`${place} d_reclen: 0x${length.toString(16)} d_type: ${type} d_name: ${entry.name}\n`);
  },
  json: (result) =>
    'total' in result
      ? { command: 'readdir', ...result }
      : {
          command: 'readdir',
          name: result.entry.name,
          ino: result.entry.ino,
          kind: result.entry.kind,
          offset: result.offset,
          next: result.entry.offset,
          reclen: result.length,
        },
});

/** The position that a word says; 0 if it is no number. */
function position(session: Session, word: string): Position {
  const value = parseSize(word, session.blockSize, session.sectorSize);
  if (value === null || value < 0n) return 0;
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? value : Number(value);
}

/** Bytes of an entry in struct linux_dirent64: header, name and its NUL, rounded to 8. @throws FsError ENAMETOOLONG never */
function recordLength({ name }: DirEntry): number {
  const bytes = encodeName(name).length;
  if (bytes > 255) throw new FsError('ENAMETOOLONG');
  return Math.ceil((19 + bytes + 1) / 8) * 8;
}
