/**
 * Choosing a place in the groups of a kind. Metadata goes on where the last block went, so that a commit's blocks lie
 * together; data takes the first hole that is long enough, from the hint on, else the longest there is.
 */
import type { BlockGroup } from './block-group.ts';
import type { RangeSet } from './ranges.ts';
import type { SpaceKind } from './space-kind.ts';

/** The free ranges of a group, loaded when first asked. */
export type FreeOf = (group: BlockGroup) => RangeSet;

export interface Place {
  readonly group: BlockGroup;
  readonly bytenr: number;
  readonly length: number;
}

/** The first place of `length` bytes at a multiple of `step`, from `from` on and then round; null if there is none. */
export function findPlace(kind: SpaceKind, freeOf: FreeOf, length: number, from: number, step: number): Place | null {
  const { groups } = kind;
  const first = kind.indexOf(from);
  // The first group comes up twice: its part from `from` on, and in the end all of it.
  for (let i = 0; i <= groups.length; i++) {
    const group = groups[(first + i) % groups.length];
    if (group === undefined || group.freeBytes < length) continue;
    const start = i === 0 ? Math.max(from, group.start) : group.start;
    const bytenr = freeOf(group).find(length, start, step);
    if (bytenr >= 0) return { group, bytenr, length };
  }
  return null;
}

/** The longest place of a kind; null if nothing is free. */
export function longestPlace(kind: SpaceKind, freeOf: FreeOf): Place | null {
  let best: Place | null = null;
  for (const group of kind.groups) {
    if (group.freeBytes <= (best?.length ?? 0)) continue;
    const range = freeOf(group).longest();
    if (range !== null && range.length > (best?.length ?? 0)) {
      best = { group, bytenr: range.start, length: range.length };
    }
  }
  return best;
}
