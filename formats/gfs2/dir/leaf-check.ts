/** What makes a leaf believable, apart from its entries, which are judged when they are read. */
import type { Buf } from '../../../core/buffer-cache.ts';
import type { Damage } from '../../../core/errors.ts';
import { Leaf, MAX_DEPTH } from '../structure/dir.ts';

/** The first rule that a leaf's header breaks, or null. */
export function leafDamage({ view, addr, length }: Buf, structure: string): Damage | null {
  const depth = Leaf.get.lf_depth(view, 0);
  if (depth > MAX_DEPTH)
    return { structure, addr, offset: Leaf.at.lf_depth, field: 'lf_depth', value: `${depth}`, rule: `> ${MAX_DEPTH}` };
  const next = Leaf.get.lf_next(view, 0);
  if (next * length !== addr) return null;
  return { structure, addr, offset: Leaf.at.lf_next, field: 'lf_next', value: `${next}`, rule: 'itself' };
}
