/**
 * What changes in the superblock because an image is written at all, and what a clean unmount leaves there.
 */

import type { XfsMount } from '../mount.ts';
import { Features2Bit, VersionBit } from '../structure/features.ts';
import { QuotaFlag, Superblock } from '../structure/sb.ts';

const CHECKED = QuotaFlag.UQUOTA_CHKD | QuotaFlag.GQUOTA_CHKD | QuotaFlag.PQUOTA_CHKD | QuotaFlag.OQUOTA_CHKD;
/** The four counters are neighbours: icount, ifree, fdblocks, frextents. */
const COUNTERS_LENGTH = 32;

/** The marks of quota records that nobody keeps right here. */
function uncounted(mp: XfsMount): number {
  return mp.quotas.reduce((bits, { checked }) => bits & ~checked, CHECKED as number);
}

/** True if the first write must change the superblock. */
export function superblockNeedsStart(mp: XfsMount): boolean {
  const { view } = mp.sbBuf;
  return (Superblock.get.qflags(view, 0) & uncounted(mp)) !== 0 || featuresDisagree(mp);
}

/**
 * The first change of an image: quota records that are not kept right (quota/types.ts) Linux must count again; and the two copies of features2 that old kernels let disagree become one (kernel: xfs_mount.c).
 */
export function startSuperblock(mp: XfsMount): void {
  mp.transact('start', (tp) => {
    const { view } = mp.sbBuf;
    const qflags = Superblock.get.qflags(view, 0);
    if ((qflags & uncounted(mp)) !== 0) {
      tp.modifySb(Superblock.at.qflags, 2);
      Superblock.set.qflags(view, 0, qflags & ~uncounted(mp));
    }
    if (!featuresDisagree(mp)) return;
    tp.modifySb(Superblock.at.features2, 8);
    const both = Superblock.get.features2(view, 0) | Superblock.get.bad_features2(view, 0);
    Superblock.set.features2(view, 0, both);
    Superblock.set.bad_features2(view, 0, both);
  });
}

/** Before a clean unmount: the counters of memory, and no feature that only a dirty log needs. */
export function finishSuperblock(mp: XfsMount): void {
  const { view } = mp.sbBuf;
  const incompat = mp.features.v5 && Superblock.get.features_log_incompat(view, 0) !== 0;
  if (!mp.log.countersChanged && !incompat) return;
  mp.transact('unmount', (tp) => {
    tp.modifySb(Superblock.at.icount, COUNTERS_LENGTH);
    if (!incompat) return;
    tp.modifySb(Superblock.at.features_log_incompat, 4);
    Superblock.set.features_log_incompat(view, 0, 0);
  });
}

function featuresDisagree(mp: XfsMount): boolean {
  const { view } = mp.sbBuf;
  if ((Superblock.get.versionnum(view, 0) & VersionBit.MOREBITS) === 0) return false;
  const second = Superblock.get.bad_features2(view, 0);
  const known =
    Features2Bit.LAZYSBCOUNT | Features2Bit.ATTR2 | Features2Bit.PROJID32 | Features2Bit.CRC | Features2Bit.FTYPE;
  return Superblock.get.features2(view, 0) !== second && (second & ~known) === 0;
}
