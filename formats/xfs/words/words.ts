/** The commands that only XFS has. A word joins by one line. */
import type { DataOfAll, Word } from '../../../core/vfs/word.ts';
import { bulkstatWords } from './bulkstat.ts';
import { fsmap } from './fsmap.ts';
import { logprint } from './logprint.ts';
import { parentWords } from './parents.ts';
import { placeWords } from './places.ts';
import { quota } from './quota.ts';
import { spaceWords } from './space.ts';

const WORDS = [
  fsmap,
  logprint,
  ...bulkstatWords,
  ...parentWords,
  ...placeWords,
  quota,
  ...spaceWords,
] as const satisfies readonly Word[];

/** What programs get of each of WORDS, for the schema. */
export type XfsResults = DataOfAll<typeof WORDS>;

/** The words of XFS; a function, so that they are loaded when somebody asks for one. */
export function xfsWords(): readonly Word[] {
  return WORDS;
}
