/**
 * What a command is: one declaration from which its parsing, its usage line, its help, completion and JSON
 * description come. A command takes a session and its arguments and returns results; how a result reads as text is
 * part of the declaration, printing it is not (render.ts).
 */
import type { Arguments, OptionSpecs } from '../core/vfs/word.ts';
import { CommandFailure } from './failure.ts';
import type { Session } from './session.ts';
import type { TextSink } from './text.ts';

/** `R` is a result, `J` what a program gets of it where that is not the result itself. */
export interface CommandSpec<S extends OptionSpecs, R, J> {
  readonly name: string;
  readonly alias?: string;
  /** Operands as the usage line shows them. */
  readonly operands?: string;
  /** Fewest and most words after the name, options included; absent: any number. */
  readonly count?: readonly [least: number, most: number];
  /** Words of a use that xfs_io does not know: any number of them, and once. */
  readonly own?: (words: readonly string[]) => boolean;
  /** It needs no open file here, but does in xfs_io: with -c it runs for each, and for none where all are closed. */
  readonly perFile?: true;
  /** One line: what it does. */
  readonly about: string;
  /** Further lines of help. */
  readonly help?: string;
  readonly options?: S;
  /** With it (or where it says so of the words), options are not looked for and every word is an operand. */
  readonly plain?: true | ((words: readonly string[]) => boolean);
  /** What must be there: an open file (the usual), a mapped region, an image, or nothing. */
  readonly needs?: 'file' | 'mapping' | 'image' | 'nothing';
  /** Known only under -x, as in xfs_io. */
  readonly expert?: true;
  /** Used wrongly, xfs_io prints the usage line and exits 0 all the same. */
  readonly mildUsage?: true;
  /** An option that is answered where it stands: what is wrong behind it nobody hears of. */
  readonly settling?: string;
  /** An option that there is not is complained of, and the command goes on. */
  readonly lenient?: true;
  /** Works after shutdown too. */
  readonly survives?: true;
  /** Only for files of XFS: of any other file system xfs_io says that it is foreign. */
  readonly xfsOnly?: true;
  /** A format may have a word of this name, which says by the operands whether it is meant. */
  readonly yields?: true;
  /** Runs once, not for every open file, when given with -c. */
  readonly once?: true;
  /** Operands are paths in the image (or on the host): what completion offers. */
  readonly completes?: 'path' | 'host';
  /** The name under which errors are reported, where xfs_io uses another than the command's. */
  readonly call?: string;
  /** Hears of each option's value as it stands, also where the command fails for what follows. */
  meets?(session: Session, letter: string, value: string): void;
  /** A result, or many of them; throws CommandFailure or FsError. */
  run(session: Session, args: Arguments<S>): R | Iterable<R> | undefined;
  /** Lines to be run in its place, where a command is a script. */
  lines?(session: Session, args: Arguments<S>): readonly string[];
  /** The result as xfs_io prints it. */
  text?(result: R, out: TextSink): void;
  /** The result as data; by default the object itself with `command` and `file` before it. */
  json?(result: R): J;
}

/** A command of any options and results, as the registry keeps it. */
// biome-ignore lint/suspicious/noExplicitAny: the declaration's own types end here
export type Command = CommandSpec<any, any, any>;

/** Of each of many commands, its results and what programs get of them; `command` and `file` come before. */
export type JsonOfAll<T extends readonly unknown[]> = { [I in keyof T]: JsonOf<T[I]> };

// biome-ignore lint/suspicious/noExplicitAny: as above
type JsonOf<C> = C extends CommandSpec<any, infer R, infer J> ? [result: R, json: unknown extends J ? R : J] : never;

/** Declares a command; its options' types follow from their declarations. */
export function command<const S extends OptionSpecs, R, J>(spec: CommandSpec<S, R, J>): CommandSpec<S, R, J> {
  return spec;
}

/** An option as it is typed: `-x`, `--long`. */
export function dashes(name: string): string {
  return name.length > 1 ? `--${name}` : `-${name}`;
}

/** The usage line: `pwrite [-BFqw] [-b bs] off len -- writes …`. */
export function usageLine(spec: Command): string {
  const flags: string[] = [];
  const valued: string[] = [];
  for (const [letter, option] of Object.entries((spec.options ?? {}) as OptionSpecs)) {
    if (option.value !== undefined) valued.push(`[${dashes(letter)} ${option.value}]`);
    else if (letter.length > 1) valued.push(`[${dashes(letter)}]`);
    else flags.push(letter);
  }
  const words = [spec.name];
  if (flags.length > 0) words.push(`[-${flags.join('')}]`);
  words.push(...valued);
  if (spec.operands !== undefined) words.push(spec.operands);
  return `${words.join(' ')} -- ${spec.about}`;
}

/** The failure of a wrongly used command: its usage line on stdout, after a complaint on stderr. */
export function usage(spec: Command, complaint?: string): CommandFailure {
  return new CommandFailure(usageLine(spec), {
    stream: 'stdout',
    code: 'EINVAL',
    silent: spec.mildUsage === true,
    ...(complaint === undefined ? {} : { complaint }),
  });
}
