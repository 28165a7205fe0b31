/** What is printed of the declarations of options and commands: completion scripts, the man page and the schema. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatWordsAsCommands } from '../commands/format-words.ts';
import { generalCommands } from '../commands/registry.ts';
import type { Streams } from '../commands/render.ts';
import { btrfsWords } from '../formats/btrfs/words/words.ts';
import { ext4Words } from '../formats/ext4/words/words.ts';
import { gfs2Words } from '../formats/gfs2/words/words.ts';
import { xfsWords } from '../formats/xfs/words/words.ts';
import { type CommandLine, SHOWN_OPTIONS } from './arguments.ts';
import { completionScript, SHELLS, type ShellName } from './completions.ts';
import { manualPage } from './manual.ts';

/** Prints what the command line asks for; the exit status. */
export function printDocument(line: CommandLine, version: string, streams: Streams): number {
  if (line.flags.has('schema')) {
    streams.out.bytes(readFileSync(join(dirname(import.meta.url), 'schema.json')));
    return 0;
  }
  const groups = [
    { title: 'Of every image', commands: generalCommands() },
    { title: 'Of xfs images', commands: formatWordsAsCommands(xfsWords()) },
    { title: 'Of btrfs images', commands: formatWordsAsCommands(btrfsWords) },
    { title: 'Of ext2, ext3 and ext4 images', commands: formatWordsAsCommands(ext4Words()) },
    { title: 'Of gfs2 images', commands: formatWordsAsCommands(gfs2Words()) },
  ];
  if (line.completion === null) {
    streams.out.write(manualPage(version, SHOWN_OPTIONS, groups));
    return 0;
  }
  if (!SHELLS.includes(line.completion as ShellName)) {
    streams.error(`fsio: no completion for ${line.completion}, only for ${SHELLS.join(', ')}`);
    return 1;
  }
  const commands = groups.flatMap((group) => group.commands);
  streams.out.write(completionScript(line.completion as ShellName, SHOWN_OPTIONS, commands));
  return 0;
}
