/** What is printed of the declarations of options and commands: completion scripts, the man page and the schema. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Streams } from '../commands/render.ts';
import { type CommandLine, SHOWN_OPTIONS } from './arguments.ts';
import { commandGroups } from './command-groups.ts';
import { completionScript, SHELLS, type ShellName } from './completions.ts';
import { manualPage } from './manual.ts';

/** Prints what the command line asks for; the exit status. */
export function printDocument(line: CommandLine, version: string, streams: Streams): number {
  if (line.flags.has('schema')) {
    streams.out.bytes(readFileSync(join(dirname(import.meta.url), 'schema.json')));
    return 0;
  }
  const groups = commandGroups();
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
