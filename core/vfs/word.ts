/**
 * A word: a command that only one format has (agf, fsmap, logprint). The format declares it; the commands' registry
 * lists it while an image of that format is open, and parses, prints and describes it as any other command.
 */
import type { Filesystem } from './filesystem.ts';
import type { Inode } from './inode.ts';

/**
 * One option letter. Without `value` it is a flag; `counts` makes a flag count how often it was given.
 * `size` takes suffixes (64k, 8b), `integer` is a C integer, `text` is taken as it is.
 */
export interface OptionSpec {
  readonly about: string;
  readonly value?: string;
  readonly kind?: 'size' | 'integer' | 'text';
  readonly counts?: true;
  /** What is wrong with a value, which ends the looking at what follows it; null: nothing. */
  readonly refuse?: (value: string) => Error | null;
  /** Likewise, a value with which the word is wrongly used; xfs_io's exit status stays 0. */
  readonly misuses?: (value: string) => boolean;
  /** What the complaint calls a value that is no number: `non-numeric bsize -- x`. */
  readonly noun?: string;
}

export type OptionSpecs = { readonly [letter: string]: OptionSpec };

/** The values of declared options: numbers or text if given, flags as booleans, counted flags as numbers. */
export type OptionValues<S extends OptionSpecs> = {
  readonly [K in keyof S]: S[K] extends { kind: 'text' }
    ? string | undefined
    : S[K] extends { value: string }
      ? number | undefined
      : S[K] extends { counts: true }
        ? number
        : boolean;
};

export interface Arguments<S extends OptionSpecs> {
  readonly options: OptionValues<S>;
  readonly operands: readonly string[];
  /** All words after the name, as they were typed. */
  readonly words: readonly string[];
  /** The letter of this set that was given last, or null: for options that exclude each other. */
  last(letters: string): string | null;
}

/** What a word may ask of the session around it. */
export interface WordContext {
  readonly fs: Filesystem;
  /** The open file, or null. */
  readonly file: { readonly inode: Inode; readonly name: string } | null;
  /** The name under which xfs_io's own complaints appear. */
  readonly program: string;
  /** A number with an optional suffix; null if the word is none. @throws FsError EFBIG */
  size(word: string): number | null;
  /** The inode behind a path. @throws FsError */
  lookup(path: string): Inode;
  /** To be thrown for a wrong use: prints the usage line. */
  usage(): Error;
}

/** A word that could not do what it was asked to; `message` is the line to print. */
export class WordFailure extends Error {
  readonly stream: 'stdout' | 'stderr';
  /** xfs_io says so too, and still exits 0. */
  readonly silent: boolean;
  /** xfs_io ends there. */
  readonly ends: boolean;

  constructor(message: string, stream: 'stdout' | 'stderr' = 'stderr', silent = false, ends = false) {
    super(message);
    this.name = 'WordFailure';
    this.stream = stream;
    this.silent = silent;
    this.ends = ends;
  }
}

/** What a word answers: as text, and as data. */
// `in out`: results of other shapes than this are other results, and not lost where a word has several.
// biome-ignore lint/suspicious/noExplicitAny: whatever a word answers
export interface WordResult<in out D extends object = any> {
  readonly data: D;
  text(out: { write(text: string): void }): void;
}

type Answer = WordResult | Iterable<WordResult> | undefined;

/** The result that reads as these lines. */
export function says<D extends object>(data: D, lines: readonly string[]): WordResult<D> {
  return {
    data,
    text(out) {
      for (const line of lines) out.write(`${line}\n`);
    },
  };
}

export interface Word<S extends OptionSpecs = OptionSpecs, T extends Answer = Answer> {
  readonly name: string;
  readonly alias?: string;
  /** Operands as the usage line shows them. */
  readonly operands?: string;
  /** Fewest and most words after the name, options included; absent: any number. */
  readonly count?: readonly [least: number, most: number];
  readonly about: string;
  readonly help?: string;
  readonly options?: S;
  /** Options are not looked for: every word is an operand. */
  readonly plain?: true;
  /** Used wrongly, xfs_io prints the usage line and exits 0 all the same. */
  readonly mildUsage?: true;
  /** Known only under -x. */
  readonly expert?: true;
  /** A word of xfs_io, where it needs an open file: there it runs for each (`file`) or once. */
  readonly xfsIo?: 'file' | 'once';
  /** It is about the open file; without it, about the image. */
  readonly needsFile?: true;
  /** Where a general command has the same name: true if the word is meant. */
  claims?(context: WordContext, operands: readonly string[]): boolean;
  /** @throws FsError, WordFailure, or what context.usage() returned */
  run(context: WordContext, args: Arguments<S>): T;
}

/** Declares a word; its options' types follow from their declarations. */
export function word<const S extends OptionSpecs, T extends Answer>(spec: Word<S, T>): Word<OptionSpecs, T> {
  return spec as unknown as Word<OptionSpecs, T>;
}

/** Of each of many words, its results and what programs get of them, which is the same; `command` comes before. */
export type DataOfAll<W extends readonly Word[]> = { [I in keyof W]: [result: Data<W[I]>, json: Data<W[I]>] };
type Data<W extends Word> = DataOf<ReturnType<W['run']>>;
type DataOf<A> = A extends Iterable<infer R> ? DataOf<R> : A extends WordResult<infer D> ? D : undefined;
