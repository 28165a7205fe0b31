/** Freeing blocks for good. Reference counts are the caller's: what arrives here has no owner left. */
import { corrupt } from '../../../core/errors.ts';
import type { FsBlock } from '../../../core/units.ts';
import type { Trans } from '../trans.ts';
import { addAgf } from './agfl.ts';
import { markBusy } from './busy.ts';
import { giveFree } from './free-trees.ts';
import { fixFreelist } from './freelist.ts';
import type { Owner } from './owner.ts';
import { rmapRemove } from './rmap-records.ts';

/** Frees `length` blocks of one AG. @throws FsError EUCLEAN if they are outside, free already, or owned by another */
export function freeExtent(tp: Trans, fsb: FsBlock, length: number, owner: Owner): void {
  const { mp } = tp;
  if (!mp.validFsb(fsb, length))
    throw corrupt({ structure: 'free space', rule: `freeing block ${fsb} length ${length}, which is outside` });
  const agno = mp.fsbToAgno(fsb);
  const agbno = mp.fsbToAgbno(fsb);
  fixFreelist(tp, agno);
  if (owner !== 'skip' && mp.features.rmapbt) rmapRemove(tp, agno, agbno, length, owner);
  giveFree(tp, agno, agbno, length);
  addAgf(tp, mp.agf(agno), 'freeblks', length);
  tp.sbDelta({ fdblocks: length });
  markBusy(tp, agno, agbno, length);
}
