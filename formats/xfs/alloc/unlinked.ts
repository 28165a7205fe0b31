/**
 * Inodes without a name that are still in use hang in chains from 64 buckets of the AGI, so that a crash does not
 * lose them: recovery frees what it finds there. Mirrors xfs_iunlink, xfs_iunlink_remove.
 *
 *     agi.unlinked[agino % 64] → inode.next_unlinked → … → NULLAGINO
 */
import type { Buf } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';
import { inodeBuffer } from '../inode-buffer.ts';
import { AGI_UNLINKED_BUCKETS, Agi, NULLAGINO } from '../structure/ag.ts';
import { Dinode } from '../structure/dinode.ts';
import type { Trans } from '../trans.ts';

interface Place {
  readonly ino: number;
  readonly buf: Buf;
  readonly base: number;
}

/** Puts an inode at the head of its chain. */
export function unlinkedAdd(tp: Trans, ip: Place): void {
  const { mp } = tp;
  const agno = mp.inoToAgno(ip.ino);
  const agino = mp.inoToAgino(ip.ino);
  const bucket = bucketAt(agino);
  const agi = mp.agi(agno);
  setNext(tp, ip, agi.view.getUint32(bucket));
  tp.modify(agi, bucket, 4);
  agi.view.setUint32(bucket, agino);
}

/** Takes an inode out of its chain. @throws FsError EUCLEAN if it is not there */
export function unlinkedRemove(tp: Trans, ip: Place): void {
  const { mp } = tp;
  const agno = mp.inoToAgno(ip.ino);
  const agino = mp.inoToAgino(ip.ino);
  const bucket = bucketAt(agino);
  const agi = mp.agi(agno);
  const next = Dinode.get.next_unlinked(ip.buf.view, ip.base);
  let current = agi.view.getUint32(bucket);
  if (current === agino) {
    setNext(tp, ip, NULLAGINO);
    tp.modify(agi, bucket, 4);
    agi.view.setUint32(bucket, next);
    return;
  }
  // No chain is longer than the AG has inodes; a cycle would be.
  for (let steps = Agi.get.count(agi.view, 0); steps > 0 && current !== NULLAGINO; steps--) {
    const ino = mp.agInoToIno(agno, current);
    const place = inodeBuffer(mp, ino);
    current = Dinode.get.next_unlinked(place.buf.view, place.base);
    if (current !== agino) continue;
    setNext(tp, ip, NULLAGINO);
    setNext(tp, { ino, ...place }, next);
    return;
  }
  throw corrupt({ structure: `agi ${agno}`, addr: agi.addr, rule: `inode ${ip.ino} is not in its unlinked chain` });
}

function bucketAt(agino: number): number {
  return Agi.at.unlinked + (agino % AGI_UNLINKED_BUCKETS) * 4;
}

function setNext(tp: Trans, ip: Place, next: number): void {
  if (Dinode.get.next_unlinked(ip.buf.view, ip.base) === next) return;
  tp.modify(ip.buf, ip.base + Dinode.at.next_unlinked, 4);
  Dinode.set.next_unlinked(ip.buf.view, ip.base, next);
}
