/** Quota records, field by field. */
import type { StructureChange } from '../../../core/vfs/changes.ts';
import { NULL_OFFSET } from '../extent.ts';
import { DQUOT_MAGIC, Dquot } from '../structure/dquot.ts';
import { dquotsPerBlock } from '../verify/dquot.ts';
import type { Differing } from './differing.ts';
import { changedBlocks } from './file-blocks.ts';
import { bytesAt, type Pair } from './pair.ts';

const FIELDS = (
  'type blk_hardlimit blk_softlimit ino_hardlimit ino_softlimit bcount icount itimer btimer iwarns bwarns ' +
  'rtb_hardlimit rtb_softlimit rtbcount rtbtimer rtbwarns'
).split(' ') as (keyof typeof Dquot.get)[];

export function* quotaChanges({ was, is }: Pair, blocks: Differing): Generator<StructureChange> {
  for (const { name, ino } of is.quotas) {
    for (const { addr, block } of changedBlocks(is, ino, NULL_OFFSET, blocks)) {
      const [before, after] = [was, is].map((mp) => new DataView(bytesAt(mp.device, addr, mp.blockSize).buffer));
      for (let i = 0; i < dquotsPerBlock(is); i++) {
        const base = i * Dquot.size;
        const structure = `${name} quota ${block * dquotsPerBlock(is) + i}`;
        const old = (before as DataView).getUint16(base) === DQUOT_MAGIC;
        for (const field of FIELDS) {
          const from = old ? Number(Dquot.get[field](before as DataView, base)) : 0;
          const to = Number(Dquot.get[field](after as DataView, base));
          // A new block has records for ids that nobody uses: their type is no news.
          if (from === to || (!old && field === 'type')) continue;
          yield { structure, change: 'field', addr, field: `diskdq.${field}`, from: String(from), to: String(to) };
        }
      }
    }
  }
}
