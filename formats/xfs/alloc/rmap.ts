/** The reverse map as files change it: each call keeps the free list of the AG long enough for the btree to grow. */
import type { FsBlock } from '../../../core/units.ts';
import type { Trans } from '../trans.ts';
import { fixFreelist } from './freelist.ts';
import type { Owner } from './owner.ts';
import { rmapChangeState, rmapInsert, rmapRemove } from './rmap-records.ts';

type RealOwner = Exclude<Owner, 'skip'>;

/** Records that `owner` has these blocks now; nothing on an image without the feature. @throws FsError EUCLEAN, ENOSPC */
export function rmapMap(tp: Trans, fsb: FsBlock, length: number, owner: RealOwner): void {
  change(tp, fsb, length, owner, rmapInsert);
}

/** Records that `owner` has them no longer. @throws FsError EUCLEAN if it did not have them */
export function rmapUnmap(tp: Trans, fsb: FsBlock, length: number, owner: RealOwner): void {
  change(tp, fsb, length, owner, rmapRemove);
}

/** Changes the state of blocks that `owner` has to `owner.unwritten`. @throws FsError EUCLEAN */
export function rmapConvert(tp: Trans, fsb: FsBlock, length: number, owner: RealOwner): void {
  change(tp, fsb, length, owner, rmapChangeState);
}

function change(tp: Trans, fsb: FsBlock, length: number, owner: RealOwner, how: typeof rmapInsert): void {
  const { mp } = tp;
  if (!mp.features.rmapbt) return;
  const agno = mp.fsbToAgno(fsb);
  fixFreelist(tp, agno);
  how(tp, agno, mp.fsbToAgbno(fsb), length, owner);
}
