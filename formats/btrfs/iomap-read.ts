/**
 * Where a file's bytes are, for questions that change nothing: reading, lseek for data and holes (where dirty pages
 * over holes and preallocated space count as data), and FIEMAP, which merges what continues as Linux does.
 *
 * What is compressed or inline reads as an INLINE mapping that holds the bytes; regular extents are MAPPED at their
 * logical address on the device that verifies checksums.
 *
 * Mirrors: fs/btrfs/fiemap.c (extent_fiemap, emit_fiemap_extent), file.c (find_desired_extent).
 */
import { IomapFlag, IomapOp, type IomapOps, IomapType, Mapping } from '../../core/iomap/iomap.ts';
import { roundDown, roundUp } from '../../core/units.ts';
import { endOf } from './extents.ts';
import type { FileExtent } from './file-extent.ts';
import type { BtrfsInode } from './inode.ts';

export const readOps: IomapOps = {
  begin(inode, pos, length, flags, iomap) {
    const ip = inode as BtrfsInode;
    if ((flags & IomapOp.REPORT) !== 0) report(ip, pos, length, iomap);
    else mapForRead(ip, pos, length, iomap);
  },
  isLast(inode, end) {
    return (inode as BtrfsInode).mp.reader.lastEnd(inode as BtrfsInode) <= end;
  },
};

export const seekOps: IomapOps = {
  begin(inode, pos, length, _flags, iomap) {
    const ip = inode as BtrfsInode;
    const { sectorSize, reader } = ip.mp;
    const { found } = reader;
    iomap.offset = roundDown(pos, sectorSize);
    iomap.type = IomapType.HOLE;
    let end = roundUp(pos + length, sectorSize);
    if (reader.find(ip, pos)) {
      if (found.pos > pos) end = Math.min(end, found.pos);
      else {
        end = endOf(found, sectorSize);
        if (!found.hole && !found.prealloc) iomap.type = IomapType.MAPPED;
      }
    }
    iomap.length = end - iomap.offset;
    if (iomap.type === IomapType.HOLE && ip.pages.dirtyBlocks > 0) splitAtDirty(ip, iomap);
  },
};

/** Of a hole, the first part that is all dirty (and so data), or all not. */
function splitAtDirty(ip: BtrfsInode, iomap: Mapping): void {
  const { pages } = ip;
  const end = iomap.offset + iomap.length;
  if (pages.isDirty(iomap.offset)) iomap.type = IomapType.DELALLOC;
  iomap.length = Math.min(end, pages.dirtyRunEnd(iomap.offset, end)) - iomap.offset;
}

/** Fills `iomap` with where the bytes from `pos` on are read from. @throws FsError EIO, EUCLEAN */
export function mapForRead(ip: BtrfsInode, pos: number, length: number, iomap: Mapping): void {
  const { mp } = ip;
  const { found } = mp.reader;
  let inline: Uint8Array | null = null;
  const any = mp.reader.find(ip, pos, (bytes) => {
    inline = mp.reader.unpackInline(ip, found, bytes).slice();
  });
  if (!any || found.pos > pos) {
    setHole(iomap, pos, any ? found.pos - pos : length, mp.sectorSize);
    return;
  }
  iomap.offset = found.pos;
  iomap.length = endOf(found, mp.sectorSize) - found.pos;
  iomap.cookie = ip.sequence;
  if (found.inline) {
    iomap.type = IomapType.INLINE;
    iomap.inlineData = inline;
  } else if (found.hole) {
    iomap.type = IomapType.HOLE;
  } else if (found.prealloc) {
    iomap.type = IomapType.UNWRITTEN;
    setPlace(ip, found, iomap);
  } else if (found.compression !== 0) {
    iomap.type = IomapType.INLINE;
    iomap.inlineData = mp.reader.unpack(ip, found).subarray(found.offset, found.offset + found.length);
  } else {
    iomap.type = IomapType.MAPPED;
    setPlace(ip, found, iomap);
  }
}

function setHole(iomap: Mapping, pos: number, length: number, sectorSize: number): void {
  iomap.type = IomapType.HOLE;
  iomap.offset = roundDown(pos, sectorSize);
  iomap.length = pos + length - iomap.offset;
}

function setPlace(ip: BtrfsInode, extent: FileExtent, iomap: Mapping): void {
  iomap.addr = extent.bytenr + extent.offset;
  iomap.device = ip.data;
}

/** The extent at `pos` as FIEMAP tells it: with what continues it, on disk and in the file, as one. */
function report(ip: BtrfsInode, pos: number, length: number, iomap: Mapping): void {
  const { reader, sectorSize } = ip.mp;
  const { found } = reader;
  const any = reader.find(ip, pos);
  if (!any || found.pos > pos || found.hole) {
    setHole(iomap, pos, !any ? length : (found.pos > pos ? found.pos : found.end) - pos, sectorSize);
    return;
  }
  iomap.offset = found.pos;
  iomap.length = endOf(found, sectorSize) - found.pos;
  describe(ip, found, iomap);
  const place = placeOf(found);
  const { type, flags } = iomap;
  for (;;) {
    const end = iomap.offset + iomap.length;
    if (!reader.find(ip, end) || found.pos !== end || placeOf(found) !== place + iomap.length || found.hole) return;
    describe(ip, found, following);
    if (following.type !== type || following.flags !== flags) return;
    iomap.length = endOf(found, sectorSize) - iomap.offset;
  }
}

const following = new Mapping();

/** Type, place and flags of an extent that is no hole. */
function describe(ip: BtrfsInode, extent: FileExtent, iomap: Mapping): void {
  iomap.flags = extent.compression === 0 || extent.prealloc ? 0 : IomapFlag.ENCODED;
  if (extent.inline) {
    iomap.type = IomapType.INLINE;
    iomap.flags |= IomapFlag.UNALIGNED;
    return;
  }
  iomap.type = extent.prealloc ? IomapType.UNWRITTEN : IomapType.MAPPED;
  iomap.addr = placeOf(extent);
  iomap.device = ip.data;
  if (ip.mp.refs.dataShared(ip.root, ip.ino, extent.bytenr, extent.generation)) iomap.flags |= IomapFlag.SHARED;
}

/** The address that FIEMAP tells: of a compressed extent always its start, of an inline one none. */
function placeOf(extent: FileExtent): number {
  if (extent.inline) return 0;
  return extent.bytenr + (extent.compression === 0 ? extent.offset : 0);
}
