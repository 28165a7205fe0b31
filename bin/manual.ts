/** The man page, from the declarations of options and commands. */
import { type Command, usageLine } from '../commands/command.ts';
import type { OptionSpecs } from '../core/vfs/word.ts';
import type { OptionInfo } from './arguments.ts';
import type { CommandGroup } from './command-groups.ts';

/** fsio.1 in man(7)'s macros. */
export function manualPage(version: string, options: readonly OptionInfo[], groups: readonly CommandGroup[]): string {
  const lines = [
    `.TH FSIO 1 "" ${quoted(`fsio ${version}`)} "User Commands"`,
    '.SH NAME',
    "fsio \\- xfs_io's commands on files of disk images that are not mounted",
    '.SH SYNOPSIS',
    '.B fsio',
    '.RI [ options ] " IMAGE" [ :/PATH ] " ..."',
    '.br',
    '.B fsio serve',
    '.I SOCKET',
    '.RI [ options ] " IMAGE ..."',
    '.SH DESCRIPTION',
    ...DESCRIPTION.map(text),
    '.SH OPTIONS',
    ...options.flatMap(optionLines),
    '.SH COMMANDS',
    text('Numbers take the suffixes b (blocks of the file system), s (sectors), k, m, g, t, p and e.'),
    ...groups.flatMap(({ title, commands }) => [`.SS ${quoted(title)}`, ...commands.flatMap(commandLines)]),
    '.SH JSON',
    ...JSON_NOTES.map(text),
    '.SH EXIT STATUS',
    text(
      "xfs_io's: 1 if an image or file could not be opened or a command failed as xfs_io counts it, else 0. With --strict, 1 for every failure.",
    ),
    '.SH SEE ALSO',
    '.BR xfs_io (8),',
    '.BR xfs_db (8),',
    '.BR nbdkit (1),',
    '.BR qemu\\-nbd (8)',
  ];
  return `${lines.join('\n')}\n`;
}

const DESCRIPTION = [
  'Opens disk images, block devices and network block exports, reads the file system in them by itself, and runs commands on the files inside: no root, no mount, no kernel module. IMAGE is a file (raw, or qcow2, vmdk, vhdx, vdi or vpc where qemu-nbd is installed), a block device, nbd://HOST:PORT/EXPORT or nbd+unix:///EXPORT?socket=PATH.',
  'Without -c and -C, commands come from standard input: a prompt on a terminal, a script otherwise. The image stays untouched until the first command that changes something.',
];

const JSON_NOTES = [
  'With --json every result is one object on a line of its own, its property command says what answers. A failure is an object with the property error: its code is the name of the errno (ENOENT, EUCLEAN), or null, and its message the line that is printed without --json. Numbers beyond 2^53 have all their digits.',
  'fsio --schema prints the JSON Schema of all these objects, with what each property means; that of a command is among its $defs under the name of the command.',
];

function optionLines({ name, value, about }: OptionInfo): string[] {
  const form = `${name.length === 1 ? '\\-' : '\\-\\-'}${escaped(name)}`;
  return ['.TP', value === undefined ? `.B ${form}` : `.BI ${form} ${quoted(` ${value}`)}`, text(about)];
}

function commandLines(spec: Command): string[] {
  const [usage = '', about = ''] = usageLine(spec).split(' -- ');
  const lines = ['.TP', `.B ${escaped(usage)}`, text(about)];
  if (spec.alias !== undefined) lines.push('.br', text(`Also: ${spec.alias}`));
  for (const line of spec.help?.split('\n') ?? []) lines.push('.br', text(line));
  const options = Object.entries((spec.options ?? {}) as OptionSpecs);
  for (const [letter, option] of options) {
    const form = `${letter.length > 1 ? '--' : '-'}${letter}${option.value === undefined ? '' : ` ${option.value}`}`;
    lines.push('.br', text(`${form}: ${option.about}`));
  }
  return lines;
}

function escaped(line: string): string {
  const plain = line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1');
  // Characters beyond ASCII are known to roff by their numbers.
  return plain.replace(/[^ -~]/gu, (char) => `\\[u${hex(char.codePointAt(0) as number)}]`);
}

function hex(code: number): string {
  return code.toString(16).toUpperCase().padStart(4, '0');
}

const text = escaped;

function quoted(line: string): string {
  return `"${escaped(line).replaceAll('"', '\\(dq')}"`;
}
