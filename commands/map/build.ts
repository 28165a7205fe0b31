/** From a file, or a whole image, to its map. */
import { sizeText } from '../../core/device/part.ts';
import { FsError } from '../../core/errors.ts';
import { FiemapExtent, fiemap } from '../../core/iomap/fiemap.ts';
import { exactPos } from '../../core/positions.ts';
import { MAX_POS } from '../../core/units.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import type { SpaceMap } from '../../core/vfs/space-map.ts';
import type { Band, Kind, MapModel, Segment } from './model.ts';

/** Shared extents of which is asked with whom they are shared. */
const SHARED_ASKED = 64;

/** A file against itself and against the disk. */
export function fileMap(fs: Filesystem, inode: Inode, name: string): MapModel {
  // Not labels: a picture needs no more than a number can hold, and blocks begin at positions that it does.
  const real = (label: number): number => Number(exactPos(label));
  const size = real(inode.size);
  const file: Segment[] = [];
  const disk: Segment[] = [];
  const space = fs.spaceMap?.() ?? null;
  let asked = 0;
  let end = 0;
  fiemap(
    inode,
    0,
    MAX_POS,
    (label, physical, length, flags) => {
      const logical = real(label);
      if (logical > end) file.push({ start: end, length: logical - end, kind: 'hole', note: '' });
      const kind = kindOf(flags);
      const shared = kind === 'shared' && asked++ < SHARED_ASKED ? sharedWith(space, inode, physical, length) : '';
      const placed = kind !== 'delayed' && kind !== 'inline';
      const note = `${placed ? `at ${physical} on disk` : ''}${shared}`;
      file.push({ start: logical, length, kind, note });
      if (placed) disk.push({ start: physical, length, kind, note: `file offset ${BigInt(logical)}${shared}` });
      end = logical + length;
      return true;
    },
    { sync: false, untraced: true },
  );
  if (end < size) file.push({ start: end, length: size - end, kind: 'hole', note: '' });
  disk.sort((a, b) => a.start - b.start);
  const { blocks, blockSize } = fs.statfs();
  const bands: Band[] = [
    { name: 'file', start: 0, length: Math.max(1, size, end), segments: file, gap: 'hole' },
    ...diskBands(space, Math.max(1, blocks * blockSize), disk),
  ];
  return {
    title: `${name}: ${sizeText(size)}, ${file.filter(({ kind }) => kind !== 'hole').length} extents`,
    bands,
  };
}

/** The disk as one band, from its start to the end of the last group. */
function diskBands(space: SpaceMap | null, size: number, segments: readonly Segment[]): Band[] {
  const last = space?.bands.at(-1);
  const end = last === undefined ? size : last.addr + last.length;
  return [{ name: 'disk', start: 0, length: end, segments, gap: 'elsewhere' }];
}

function sharedWith(space: SpaceMap | null, inode: Inode, addr: number, length: number): string {
  const others = space?.sharers(inode.ino, addr, length) ?? null;
  if (others === null || others.length === 0) return ', shared';
  return `, shared with inode ${others.slice(0, 5).join(', ')}${others.length > 5 ? ', …' : ''}`;
}

function kindOf(flags: number): Kind {
  if ((flags & FiemapExtent.DELALLOC) !== 0) return 'delayed';
  if ((flags & FiemapExtent.DATA_INLINE) !== 0) return 'inline';
  if ((flags & FiemapExtent.SHARED) !== 0) return 'shared';
  if ((flags & FiemapExtent.ENCODED) !== 0) return 'compressed';
  return (flags & FiemapExtent.UNWRITTEN) !== 0 ? 'unwritten' : 'data';
}

/** The whole image, a band for each group. @throws FsError EOPNOTSUPP for a format that does not tell */
export function imageMap(fs: Filesystem, name: string): MapModel {
  const space = fs.spaceMap?.();
  if (space === undefined) throw new FsError('EOPNOTSUPP', { detail: `no map of ${fs.type}: name a file` });
  const segments: Segment[][] = space.bands.map(() => []);
  let index = 0;
  let total = 0;
  let end = 0;
  space.runs(({ addr: first, length: whole, use, owner }) => {
    // What several files share comes once for each of them.
    const addr = Math.max(first, end);
    const length = first + whole - addr;
    if (length <= 0) return true;
    end = addr + length;
    while (index < space.bands.length - 1 && addr >= (space.bands[index + 1]?.addr as number)) index++;
    segments[index]?.push({ start: addr, length, kind: use, note: owner });
    total += length;
    return true;
  });
  const bands = space.bands.map(
    (band, i): Band => ({
      name: band.name,
      start: band.addr,
      length: band.length,
      segments: segments[i] ?? [],
      gap: 'free',
    }),
  );
  return { title: `${name}: ${fs.type}, ${sizeText(total)} in ${bands.length} groups`, bands };
}
