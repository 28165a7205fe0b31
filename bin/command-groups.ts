/** The commands that there are, by whose they are. A format with words joins by one line. */
import type { Command } from '../commands/command.ts';
import { formatWordsAsCommands } from '../commands/format-words.ts';
import { ANSWERING, generalCommands } from '../commands/registry.ts';
import type { Word } from '../core/vfs/word.ts';
import { btrfsWords } from '../formats/btrfs/words/words.ts';
import { ext4Words } from '../formats/ext4/words/words.ts';
import { gfs2Words } from '../formats/gfs2/words/words.ts';
import { xfsWords } from '../formats/xfs/words/words.ts';

/** A group of commands, and where the types of their results are declared: one for each of `answering`, in its order. */
export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly Command[];
  readonly answering: readonly Command[];
  readonly file: string;
  readonly results: string;
  /** They are words of a format. */
  readonly words: boolean;
}

export function commandGroups(): readonly CommandGroup[] {
  return [
    {
      title: 'Of every image',
      commands: generalCommands(),
      answering: ANSWERING,
      file: 'commands/registry.ts',
      results: 'GeneralResults',
      words: false,
    },
    ofFormat('xfs', 'Of xfs images', 'XfsResults', xfsWords()),
    ofFormat('btrfs', 'Of btrfs images', 'BtrfsResults', btrfsWords),
    ofFormat('ext4', 'Of ext2, ext3 and ext4 images', 'Ext4Results', ext4Words()),
    ofFormat('gfs2', 'Of gfs2 images', 'Gfs2Results', gfs2Words()),
  ];
}

function ofFormat(format: string, title: string, results: string, words: readonly Word[]): CommandGroup {
  const commands = formatWordsAsCommands(words);
  return { title, commands, answering: commands, file: `formats/${format}/words/words.ts`, results, words: true };
}
