/** From XFS extents to the engine's mappings: types, device addresses, the DIRTY flag, the end of a file. */
import { corrupt } from '../../core/errors.ts';
import { IomapFlag, IomapType, type Mapping, NULL_ADDR } from '../../core/iomap/iomap.ts';
import { POS_END } from '../../core/positions.ts';
import { DELAY, type Extent, HOLE } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { isPinnedDirty } from './inode-pin.ts';

/** Fills `iomap` from an extent (kernel: xfs_bmbt_to_iomap). @throws FsError EUCLEAN for block 0 or one outside */
export function toIomap(ip: XfsInode, iomap: Mapping, e: Extent, flags: number): void {
  const { mp } = ip;
  iomap.offset = e.off * mp.blockSize;
  iomap.length = e.count * mp.blockSize;
  iomap.inlineData = null;
  iomap.cookie = ip.sequence;
  iomap.flags = isPinnedDirty(ip) ? flags | IomapFlag.DIRTY : flags;
  iomap.device = mp.device;
  if (e.block === HOLE) {
    iomap.type = IomapType.HOLE;
    iomap.addr = NULL_ADDR;
  } else if (e.block === DELAY) {
    iomap.type = IomapType.DELALLOC;
    iomap.addr = NULL_ADDR;
  } else {
    iomap.type = e.unwritten ? IomapType.UNWRITTEN : IomapType.MAPPED;
    placeIomap(ip, iomap, e);
  }
}

function placeIomap(ip: XfsInode, iomap: Mapping, e: Extent): void {
  const { mp } = ip;
  const realtime = ip.realtime && (iomap.flags & IomapFlag.XATTR) === 0;
  if (realtime ? !mp.validRtb(e.block, e.count) : !mp.validFsb(e.block, e.count)) {
    throw corrupt({
      structure: `extent of inode ${ip.ino} at file block ${e.off}`,
      field: 'startblock',
      value: String(e.block),
      rule: `${e.count} blocks here are outside the device`,
    });
  }
  if (realtime) {
    iomap.device = mp.realtimeDevice();
    iomap.addr = mp.rtbToAddr(e.block);
  } else iomap.addr = mp.fsbToAddr(e.block);
}

/** Makes `iomap` a hole from one file block to another; as in Linux without the DIRTY flag. */
export function holeToIomap(ip: XfsInode, iomap: Mapping, off: number, end: number): void {
  const { mp } = ip;
  iomap.type = IomapType.HOLE;
  iomap.addr = NULL_ADDR;
  iomap.flags = 0;
  iomap.offset = off * mp.blockSize;
  iomap.length = (end - off) * mp.blockSize;
  iomap.device = mp.device;
  iomap.inlineData = null;
  iomap.cookie = ip.sequence;
}

/** The file block after the last of [pos, pos + length), no further than files go. */
export function endBlock(ip: XfsInode, pos: number, length: number): number {
  const { blockSize } = ip.mp;
  return Math.min(Math.ceil((pos + length) / blockSize), POS_END / blockSize);
}
