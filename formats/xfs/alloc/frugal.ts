/**
 * Transactions that started without blocks of their own, on a full file system: names may still be entered where a
 * directory has room, and removed, but nothing is allocated for them (the kernel's t_blk_res of 0).
 */
import { FsError } from '../../../core/errors.ts';
import type { Trans } from '../trans.ts';

const frugal = new WeakSet<Trans>();

/** From now on `tp` allocates no directory or attribute block. */
export function beFrugal(tp: Trans): void {
  frugal.add(tp);
}

export function isFrugal(tp: Trans): boolean {
  return frugal.has(tp);
}

/** A directory or attribute block is about to be allocated. @throws FsError ENOSPC in a frugal transaction */
export function refuseIfFrugal(tp: Trans): void {
  if (frugal.has(tp)) throw new FsError('ENOSPC');
}
