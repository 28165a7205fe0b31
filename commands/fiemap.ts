/** fiemap: a file's extents as FIEMAP reports them, holes between them filled in (xfs_io's io/fiemap.c). */
import { FsError } from '../core/errors.ts';
import { type FiemapColumnsVisitor, fiemapColumns } from '../core/iomap/fiemap.ts';
import { exactPos } from '../core/positions.ts';
import { MAX_POS } from '../core/units.ts';
import { command } from './command.ts';
import { perror } from './failure.ts';
import { type FiemapRange, writeFiemap } from './fiemap-lines.ts';
import type { OpenFile } from './open-file.ts';
import type { Session } from './session.ts';
import { parseDecimal } from './words.ts';

interface Extent {
  /** File position, bytes. */
  readonly logical: number | bigint;
  /** Device byte; of btrfs the logical address, as Linux says it. */
  readonly physical: number;
  /** Bytes. */
  readonly length: number;
  /** FIEMAP_EXTENT_* bits. */
  readonly flags: number;
}

interface Map extends FiemapRange {
  readonly name: string;
  walk(visit: FiemapColumnsVisitor): void;
}

export const fiemap = command({
  name: 'fiemap',
  operands: '[offset [len]]',
  about: "print a file's extents",
  help: `Each line is an extent or a hole: file range and device range, in units of 512 bytes.`,
  options: {
    a: { about: 'the attribute fork' },
    l: { about: 'with lengths' },
    n: { value: 'lines', kind: 'text', about: 'no more than this many lines, from now on' },
    v: { about: 'a table with flags' },
  },
  meets(session, letter, value) {
    if (letter === 'n') session.mapLines = parseDecimal(value);
  },
  run(session, args): Map {
    const { options, operands } = args;
    const start = operands[0] === undefined ? 0 : session.position(operands[0], 'offset argument');
    const length =
      operands[1] === undefined ? MAX_POS : session.rangeAt(start, operands[1], 'loose', 'len argument').length;
    const file = session.file();
    const end = Math.min(MAX_POS, start + length);
    return {
      name: file.name,
      verbose: options.v,
      lengths: options.l,
      start,
      end,
      most: session.mapLines,
      size: file.named.size,
      // From the last position on there is nothing, which is another matter than asking for nothing.
      walk: (visit) => walk(session, file, start, Math.min(length, Math.max(1, end - start)), options.a, visit),
    };
  },
  text(map, out) {
    out.write(`${map.name}:\n`);
    writeFiemap(map, map.walk, out);
  },
  json(map) {
    const extents: Extent[] = [];
    map.walk(({ logical, physical, length, flags }, count) => {
      for (let i = 0; i < count; i++)
        extents.push({
          logical: exactPos(logical[i] as number),
          physical: physical[i] as number,
          length: length[i] as number,
          flags: flags[i] as number,
        });
      return true;
    });
    return { command: 'fiemap', file: map.name, extents };
  },
});

function walk(
  session: Session,
  file: OpenFile,
  start: number,
  length: number,
  xattr: boolean,
  visit: FiemapColumnsVisitor,
): void {
  try {
    const { kind } = file.inode;
    // XFS takes the number of a device for a broken map of extents.
    const device = kind !== 'dir' && file.mount.fs.type === 'xfs';
    if (kind !== 'file' && !(kind === 'dir' && file.mount.fs.mapsDirectories))
      throw new FsError(device ? 'EUCLEAN' : 'EOPNOTSUPP');
    fiemapColumns(file.inode, start, length, visit, { sync: true, xattr });
  } catch (error) {
    throw error instanceof FsError ? perror(`${session.program}: ioctl(FS_IOC_FIEMAP) ["${file.name}"]`, error) : error;
  }
}
