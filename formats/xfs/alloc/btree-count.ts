/** Counting the blocks of an AG btree by walking its levels; needed where the AGI keeps no count. */
import { corrupt } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';
import { Agi, NULLAGBLOCK } from '../structure/ag.ts';
import { BTREE_MAX_LEVELS, BtreeShortHeader, SHORT_V4_SIZE, SHORT_V5_SIZE } from '../structure/btree-format.ts';
import { btreeMaxRecords } from '../verify/btree.ts';

/** Blocks of the inode btree or the free-inode btree of an AG. @throws FsError EUCLEAN, EIO */
export function countBtreeBlocks(mp: XfsMount, agno: number, name: 'inobt' | 'finobt'): number {
  const { view } = mp.agi(agno);
  const root = name === 'inobt' ? Agi.get.root(view, 0) : Agi.get.free_root(view, 0);
  const levels = name === 'inobt' ? Agi.get.level(view, 0) : Agi.get.free_level(view, 0);
  if (levels > BTREE_MAX_LEVELS) throw damage(name, agno, `${levels} levels`);
  const pointers = (mp.features.v5 ? SHORT_V5_SIZE : SHORT_V4_SIZE) + btreeMaxRecords(mp, name, false) * 4;
  let first = root;
  let count = 0;
  for (let level = levels - 1; level >= 0; level--) {
    let child = NULLAGBLOCK;
    let next = first;
    for (let block = first; block !== NULLAGBLOCK; block = next) {
      // A cycle of siblings would go on for ever: no AG has more blocks than this.
      if (++count > mp.agSize(agno) || !mp.validAgbno(agno, block))
        throw damage(name, agno, `block ${block} in level ${level}`);
      const buf = mp.cache.get(mp.agbToAddr(agno, block), mp.blockSize, mp.ops[name]);
      if (BtreeShortHeader.get.level(buf.view, 0) !== level)
        throw damage(name, agno, `block ${block} is not of level ${level}`);
      if (block === first && level > 0) child = buf.view.getUint32(pointers);
      next = buf.view.getUint32(BtreeShortHeader.at.rightsib);
      if (block === next) throw damage(name, agno, `block ${block} is its own sibling`);
    }
    first = child;
  }
  return count;
}

function damage(name: string, agno: number, rule: string) {
  return corrupt({ structure: `${name} of AG ${agno}`, rule });
}
