/** The commands that only ext2, ext3 and ext4 have. A word joins by one line. */
import type { DataOfAll, Word } from '../../../core/vfs/word.ts';
import { blockWords } from './blocks.ts';
import { freefrag } from './freefrag.ts';
import { inodeWords } from './inodes.ts';
import { logdump } from './logdump.ts';
import { stats } from './stats.ts';

const WORDS = [...blockWords, freefrag, ...inodeWords, logdump, stats] as const satisfies readonly Word[];

/** What programs get of each of WORDS, for the schema. */
export type Ext4Results = DataOfAll<typeof WORDS>;

/** The words of ext2, ext3 and ext4; a function, so that they are loaded when somebody asks for one. */
export function ext4Words(): readonly Word[] {
  return WORDS;
}
