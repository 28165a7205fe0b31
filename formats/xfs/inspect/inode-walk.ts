/** All inodes of an image, through the inode btrees: what bulkstat, inumbers and whole-image reports walk. */
import { holeBits, type InodeChunk, inobtCursor } from '../btree/inode.ts';
import type { XfsMount } from '../mount.ts';
import { INODES_PER_CHUNK } from '../structure/btree-format.ts';

/** A chunk of inodes as XFS_IOC_INUMBERS gives it. */
export interface InodeGroup {
  /** First inode number. */
  startino: number;
  /** Inodes in use. */
  alloccount: number;
  /** Mask of inodes in use, 0-31 and 32-63. */
  allocLow: number;
  allocHigh: number;
}

/** Shows `visit` the chunks that hold inode `from` or lie behind it, until it answers false. @throws FsError EUCLEAN, EIO */
export function inodeGroups(mp: XfsMount, from: number, visit: (group: InodeGroup) => boolean): void {
  const group: InodeGroup = { startino: 0, alloccount: 0, allocLow: 0, allocHigh: 0 };
  walkChunks(mp, from, (agno, chunk) => {
    group.startino = mp.agInoToIno(agno, chunk.startino);
    group.alloccount = chunk.count - chunk.freecount;
    group.allocLow = ~(chunk.freeLow | holeBits(chunk.holemask, 0)) >>> 0;
    group.allocHigh = ~(chunk.freeHigh | holeBits(chunk.holemask, 1)) >>> 0;
    return visit(group);
  });
}

/** Shows `visit` the numbers of the inodes in use, from `from` on, until it answers false. @throws FsError EUCLEAN, EIO */
export function allocatedInodes(mp: XfsMount, from: number, visit: (ino: number) => boolean): void {
  inodeGroups(mp, from, ({ startino, allocLow, allocHigh }) => {
    for (let index = Math.max(0, from - startino); index < INODES_PER_CHUNK; index++) {
      const mask = index < 32 ? allocLow : allocHigh;
      if (((mask >>> (index & 31)) & 1) === 1 && !visit(startino + index)) return false;
    }
    return true;
  });
}

function walkChunks(mp: XfsMount, from: number, visit: (agno: number, chunk: InodeChunk) => boolean): void {
  const firstAg = mp.inoToAgno(from);
  for (let agno = firstAg; agno < mp.agCount; agno++) {
    const first = agno === firstAg ? mp.inoToAgino(from) : 0;
    const cursor = inobtCursor(mp, agno);
    let more = cursor.lookup(first, 'le') || cursor.lookup(first, 'ge');
    if (more && cursor.get().startino + INODES_PER_CHUNK <= first) more = cursor.next();
    for (; more; more = cursor.next()) if (!visit(agno, cursor.get())) return;
  }
}
