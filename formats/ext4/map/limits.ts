/** How large a file can be (kernel: ext4_max_size, ext4_max_bitmap_size, ext4_get_maxbytes). */
import { MAX_POS } from '../../../core/units.ts';
import type { Ext4Inode } from '../inode.ts';
import type { Ext4Mount } from '../mount.ts';
import { DIRECT } from './indirect.ts';
import { MAX_FILE_BLOCKS } from './run.ts';

/** The size, in bytes, of the largest file that is mapped as this one. */
export function largestSize(ip: Ext4Inode): number {
  return ip.has('EXTENTS') ? largestWithExtents(ip.mp) : largestWithNumbers(ip.mp);
}

function largestWithExtents(mp: Ext4Mount): number {
  return Math.min(MAX_FILE_BLOCKS, sectorLimit(mp)) * mp.blockSize;
}

/** The blocks of the file and those that lead to them must be counted in the inode. */
function largestWithNumbers(mp: Ext4Mount): number {
  const per = mp.blockSize / 4;
  const limit = mp.roCompat('huge_file') ? 2 ** 48 - 1 : sectorLimit(mp);
  const blocks = DIRECT + per + per ** 2 + per ** 3;
  const leading = 1 + (1 + per) + (1 + per + per ** 2);
  if (blocks + leading <= limit) return Math.min(MAX_POS, blocks * mp.blockSize);
  const second = limit - DIRECT - per;
  if (second < per ** 2) return (limit - (1 + 1 + Math.ceil(second / per))) * mp.blockSize;
  const third = second - per ** 2;
  return (limit - (1 + (1 + per) + (1 + Math.ceil(third / per) + Math.ceil(third / per ** 2)))) * mp.blockSize;
}

/** Blocks that 32 bits of sectors can count; with huge_file there are more bits than blocks. */
function sectorLimit(mp: Ext4Mount): number {
  return mp.roCompat('huge_file') ? Number.POSITIVE_INFINITY : Math.floor((2 ** 32 - 1) / (mp.blockSize / 512));
}
