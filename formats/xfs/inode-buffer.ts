/**
 * Where an inode lies: its cluster buffer and its offset there (kernel: xfs_imap). Clusters are aligned inside their
 * chunk; where chunks are aligned the number alone tells, otherwise the inode btree says where the chunk starts.
 */
import type { Buf } from '../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import { inobtCursor } from './btree/inode.ts';
import type { XfsMount } from './mount.ts';

export interface InodePlace {
  readonly buf: Buf;
  /** Byte offset of the inode in `buf`. */
  readonly base: number;
}

/** The verified cluster buffer of an inode. @throws FsError EINVAL no inode number of this image, EUCLEAN, EIO */
export function inodeBuffer(mp: XfsMount, ino: number): InodePlace {
  if (!mp.validIno(ino)) throw new FsError('EINVAL', { detail: `${ino} is no inode number of this image` });
  const agno = mp.inoToAgno(ino);
  const agbno = mp.inoToAgbno(ino);
  const cluster = clusterBlock(mp, agno, agbno, ino);
  const buf = mp.cache.get(mp.agbToAddr(agno, cluster), mp.inodeClusterSize, mp.ops.inode);
  return { buf, base: (agbno - cluster) * mp.blockSize + mp.inoToOffset(ino) * mp.inodeSize };
}

function clusterBlock(mp: XfsMount, agno: number, agbno: number, ino: number): number {
  const size = mp.blocksPerCluster;
  if (size === 1) return agbno;
  if (mp.clusterAlign > 1) {
    const chunk = agbno - (agbno % mp.clusterAlign);
    return chunk + Math.floor((agbno - chunk) / size) * size;
  }
  const agino = mp.inoToAgino(ino);
  const cursor = inobtCursor(mp, agno);
  if (cursor.lookup(agino, 'le')) {
    const { startino, count } = cursor.get();
    if (agino < startino + Math.max(count, mp.inodesPerAlloc)) {
      const chunk = Math.floor(startino / mp.inodesPerBlock);
      return chunk + Math.floor((agbno - chunk) / size) * size;
    }
  }
  throw corrupt({ structure: `inode ${ino}`, rule: 'in no chunk of the inode btree' });
}
