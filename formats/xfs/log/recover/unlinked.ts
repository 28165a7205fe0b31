/**
 * Inodes that had no name any more but were open at the crash hang in chains from their AGI: recovery frees them. A
 * large file goes in a chain of transactions and may stop between two, since it stays in its AGI's chain until it is
 * gone. Mirrors xlog_recover_process_iunlinks.
 */
import { FsError } from '../../../../core/errors.ts';
import { unlinkedRemove } from '../../alloc/unlinked.ts';
import { forkBefore } from '../../bmap-fork.ts';
import { Extent, NULL_OFFSET } from '../../extent.ts';
import type { XfsInode } from '../../inode.ts';
import type { XfsMount } from '../../mount.ts';
import { freeOrphan } from '../../names/inactive.ts';
import { AGI_UNLINKED_BUCKETS, Agi, NULLAGINO } from '../../structure/ag.ts';
import { Dinode } from '../../structure/dinode.ts';
import { unmapSome } from '../../truncate.ts';

const extent = new Extent();

/** Frees the inodes of all chains while `goOn` says yes; true if none is left. */
export function freeUnlinked(mp: XfsMount, goOn: () => boolean): boolean {
  for (let agno = 0; agno < mp.agCount; agno++) {
    for (let bucket = 0; bucket < AGI_UNLINKED_BUCKETS; bucket++) {
      if (!freeChain(mp, agno, bucket, goOn)) return false;
    }
  }
  return true;
}

function freeChain(mp: XfsMount, agno: number, bucket: number, goOn: () => boolean): boolean {
  const at = Agi.at.unlinked + 4 * bucket;
  // Each round frees the first of the chain, so there cannot be more rounds than inodes.
  for (let left = Agi.get.count(mp.agi(agno).view, 0); ; left--) {
    const agino = mp.agi(agno).view.getUint32(at);
    if (agino === NULLAGINO) return true;
    try {
      if (left <= 0) throw new FsError('EUCLEAN', { detail: 'the chain has no end' });
      if (!freeOne(mp, mp.agInoToIno(agno, agino), goOn)) return false;
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      // As in Linux: the rest of a damaged chain is left to repair, the bucket is emptied.
      mp.transact('clear unlinked bucket', (tp) => {
        const agi = mp.agi(agno);
        tp.modify(agi, at, 4);
        agi.view.setUint32(at, NULLAGINO);
      });
      return true;
    }
  }
}

/** False if it stopped before the inode was gone. */
function freeOne(mp: XfsMount, ino: number, goOn: () => boolean): boolean {
  const ip: XfsInode = mp.inodes.get(ino);
  if (Dinode.get.nlink(ip.buf.view, ip.base) > 0) {
    mp.transact('not unlinked', (tp) => unlinkedRemove(tp, ip));
    return true;
  }
  if (ip.kind === 'file') {
    let end = NULL_OFFSET;
    while (forkBefore(ip, 'data', end, extent)) {
      if (!goOn()) return false;
      const from = end;
      end = mp.transact('unmap', (tp) => unmapSome(tp, ip, 0, from));
    }
  }
  if (!goOn()) return false;
  freeOrphan(ip);
  return true;
}
