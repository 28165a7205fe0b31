/** Rules of the root tree's items. Mirrors tree-checker.c. */
import { MAX_LEVEL } from '../structure/block.ts';
import { NAME_MAX } from '../structure/inode.ts';
import { Key, Objectid } from '../structure/key.ts';
import { isFsTree } from '../structure/key-names.ts';
import {
  ROOT_ITEM_LEGACY_SIZE,
  ROOT_SUBVOL_DEAD_HIGH,
  ROOT_SUBVOL_RDONLY,
  RootItem,
  RootRef,
} from '../structure/root.ts';
import { aligned, type Fault, fieldFault, leastFault, sizeFault } from './fault.ts';
import type { ItemAt } from './item-at.ts';

const progress = new Key();

export function rootItemFault({ context, view, key, at, size }: ItemAt): Fault | null {
  if (key.oh === 0 && key.ol === 0) return { rule: 'no tree has id 0' };
  if (key.objectid === Objectid.TREE_RELOC && !isFsTree(key.offset)) return { rule: 'relocation of no subvolume' };
  if (size !== RootItem.size && size !== ROOT_ITEM_LEGACY_SIZE) return sizeFault(size, RootItem.size);
  const newest = context.generation() + 1;
  for (const field of ['generation', 'last_snapshot', 'generation_v2'] as const) {
    if (field === 'generation_v2' && size === ROOT_ITEM_LEGACY_SIZE) continue;
    const value = RootItem.get[field](view, at);
    if (!(value >= 0 && value <= newest)) return fieldFault(field, RootItem.at[field], value, `> ${newest}`);
  }
  const bytenr = RootItem.get.bytenr(view, at);
  if (bytenr < 0 || !aligned(bytenr, context.sectorSize)) {
    return fieldFault('bytenr', RootItem.at.bytenr, bytenr, `not aligned to ${context.sectorSize}`);
  }
  for (const field of ['level', 'drop_level'] as const) {
    const value = RootItem.get[field](view, at);
    if (value >= MAX_LEVEL) return fieldFault(field, RootItem.at[field], value, `>= ${MAX_LEVEL}`);
  }
  progress.read(view, at + RootItem.at.drop_progress);
  if ((progress.oh !== 0 || progress.ol !== 0) && RootItem.get.drop_level(view, at) === 0) {
    return fieldFault('drop_progress', RootItem.at.drop_progress, String(progress), 'with drop_level 0');
  }
  const flags = RootItem.get.flags(view, at);
  const high = RootItem.get.flags_high(view, at);
  if ((flags & ~ROOT_SUBVOL_RDONLY) !== 0 || (high & ~ROOT_SUBVOL_DEAD_HIGH) !== 0) {
    return fieldFault('flags', RootItem.at.flags, `0x${(high * 2 ** 32 + flags).toString(16)}`, 'unknown flag');
  }
  return null;
}

export function rootRefFault({ view, at, size }: ItemAt): Fault | null {
  if (size <= RootRef.size) return leastFault(size, RootRef.size + 1);
  const length = RootRef.get.name_len(view, at);
  if (length > NAME_MAX) return fieldFault('name_len', RootRef.at.name_len, length, '> 255');
  return sizeFault(size, RootRef.size + length);
}
