/** The commands that only gfs2 has. A word joins by one line. */
import type { DataOfAll, Word } from '../../../core/vfs/word.ts';
import { blockWords } from './blocks.ts';
import { journal, journals } from './journals.ts';
import { print } from './print.ts';
import { rgs, unlinked } from './rgs.ts';

const WORDS = [print, rgs, unlinked, journals, journal, ...blockWords] as const satisfies readonly Word[];

/** What programs get of each of WORDS, for the schema. */
export type Gfs2Results = DataOfAll<typeof WORDS>;

/** The words of gfs2; a function, so that they are loaded when somebody asks for one. */
export function gfs2Words(): readonly Word[] {
  return WORDS;
}
