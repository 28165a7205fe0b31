/** The commands that only btrfs has. A word joins by one line. */
import type { DataOfAll, Word } from '../../../core/vfs/word.ts';
import { deviceWords } from './device.ts';
import { dumpSuper } from './dump-super.ts';
import { dumpTree } from './dump-tree.ts';
import { mapSwapfile } from './map-swapfile.ts';
import { property } from './property.ts';
import { qgroup } from './qgroup.ts';
import { resolveWords } from './resolve.ts';
import { spaceWords } from './space.ts';
import { subvolume } from './subvolume.ts';
import { treeStats } from './tree-stats.ts';

export const btrfsWords = [
  ...deviceWords,
  dumpSuper,
  dumpTree,
  mapSwapfile,
  property,
  qgroup,
  ...resolveWords,
  ...spaceWords,
  subvolume,
  treeStats,
] as const satisfies readonly Word[];

/** What programs get of each of them, for the schema. */
export type BtrfsResults = DataOfAll<typeof btrfsWords>;
