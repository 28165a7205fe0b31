/**
 * Runs one command line in a session: finds the command, checks what it needs, parses its arguments and hands its
 * results to the renderer. The order of the checks and their words are xfs_io's (libxcmd/command.c).
 */
import { FsError } from '../core/errors.ts';
import { type Arguments, type OptionSpecs, WordFailure } from '../core/vfs/word.ts';
import { type Command, usage } from './command.ts';
import { CommandFailure, perror } from './failure.ts';
import { findCommand } from './registry.ts';
import type { Renderer } from './render.ts';
import type { Session } from './session.ts';
import { upToDate } from './up-to-date.ts';
import { getopt, parseInteger, splitLine } from './words.ts';

/** Runs `line`; with `everyFile`, once for each open file. */
export function runLine(session: Session, line: string, renderer: Renderer, everyFile: boolean): void {
  const words = splitLine(line);
  const name = words[0];
  if (name === undefined || name.startsWith('#')) return;
  const found = findCommand(session, name, words.slice(1));
  if (found === null) {
    renderer.failure(session, name, new CommandFailure(`command "${name}" not found`, { silent: true }));
    return;
  }
  const once = !everyFile || found.once === true || found.own?.(words.slice(1)) === true;
  if (!once && session.files.length === 0 && session.closedAll && needsOpen(found)) {
    // For each file of none there is nothing to do: xfs_io says nothing, and succeeds.
    renderer.failure(session, name, new CommandFailure('no files are open', { mute: true, silent: true }));
  } else if (once || session.files.length === 0) runOnce(session, found, words, renderer);
  else
    for (const file of session.files) {
      if (session.ended) return;
      session.current = file;
      runOnce(session, found, words, renderer);
    }
}

/** Does it work on an open file, or on a mapping of one? */
function needsOpen({ needs = 'file', perFile }: Command): boolean {
  return needs === 'file' || needs === 'mapping' || perFile === true;
}

function runOnce(session: Session, found: Command, words: readonly string[], renderer: Renderer): void {
  const typed = words[0] as string;
  try {
    checkNeeds(session, found, words.slice(1));
    checkCount(found, typed, words.slice(1));
    const args = parseArguments(session, found, typed, words.slice(1), renderer);
    renderer.begun = false;
    const work = () => renderer.results(session, found, found.run(session, args));
    if (found.lines === undefined) upToDate(session, work, () => renderer.begun);
    else runScript(session, found.lines(session, args), renderer);
  } catch (error) {
    renderer.failure(session, found.name, asFailure(session, found, error));
  }
}

/** Scripts that scripts may call. */
const MAX_DEPTH = 16;
let depth = 0;

function runScript(session: Session, lines: readonly string[], renderer: Renderer): void {
  if (depth >= MAX_DEPTH) throw new CommandFailure('source: too many scripts within scripts', { code: 'ELOOP' });
  depth++;
  try {
    for (const line of lines) {
      if (session.ended) return;
      runLine(session, line, renderer, false);
    }
  } finally {
    depth--;
  }
}

function asFailure(session: Session, found: Command, error: unknown): CommandFailure {
  if (error instanceof CommandFailure) return error;
  if (error instanceof WordFailure) {
    if (error.ends) session.ended = true;
    return new CommandFailure(error.message, { stream: error.stream, silent: error.silent });
  }
  if (error instanceof FsError) return perror(errorLabel(found, error), withReason(session, error));
  throw error;
}

/** Where a file is open for reading only because its format cannot be written, EBADF says so. */
function withReason(session: Session, error: FsError): FsError {
  const file = session.current;
  const reason = file?.mount.fs.unwritable;
  if (error.code !== 'EBADF' || reason === undefined || file?.flags.readOnly !== true) return error;
  return new FsError('EBADF', { detail: reason, cause: error });
}

/** What stands before strerror: the call that xfs_io would have made, or the command and the path it is about. */
function errorLabel(found: Command, error: FsError): string {
  return error.path === undefined ? (found.call ?? found.name) : `${found.name}: ${error.path}`;
}

function checkNeeds(session: Session, found: Command, words: readonly string[]): void {
  const needs = found.needs ?? 'file';
  if (needs === 'nothing') return;
  if (session.closedAll && found.perFile && session.current === null && found.own?.(words) !== true)
    throw new CommandFailure("no files are open, try 'help open'", { silent: true });
  if (session.openedMount()?.fs.stopped && !found.survives) throw new FsError('EIO');
  if (needs === 'image') {
    session.mount();
    return;
  }
  if (needs === 'mapping') {
    session.mapped();
    return;
  }
  // xfs_io exits 0 here too; but a script that never named a file must notice.
  if (session.current === null)
    throw new CommandFailure("no files are open, try 'help open'", { silent: session.closedAll });
  if (found.xfsOnly && session.current.foreign) {
    const text = `foreign file active, ${found.name} command is for XFS filesystems only`;
    throw new CommandFailure(text, { silent: true, code: 'EOPNOTSUPP' });
  }
}

function checkCount(found: Command, typed: string, words: readonly string[]): void {
  if (found.count === undefined) return;
  const count = words.length;
  const [least, most] = found.count;
  if (count >= least && count <= most) return;
  if (found.own?.(words) === true) return;
  const expected =
    most === Number.POSITIVE_INFINITY
      ? `at least ${least} arguments`
      : least === most
        ? `${least} arguments`
        : `between ${least} and ${most} arguments`;
  throw new CommandFailure(`bad argument count ${count} to ${typed}, expected ${expected}`, { silent: true });
}

/** The arguments of a command from its words. @throws CommandFailure for an unknown option or a value that is none */
function parseArguments(
  session: Session,
  found: Command,
  typed: string,
  words: readonly string[],
  renderer: Renderer,
): Arguments<OptionSpecs> {
  const specs = (found.options ?? NO_OPTIONS) as OptionSpecs;
  if (found.plain === true || found.plain?.(words)) return { options: {}, operands: words, words, last: none };
  const absent = optionsAbsent(found, specs);
  if (!words.some(looksLikeOption)) return { options: absent, operands: words, words, last: none };
  const takesValue = (letter: string) => (letter in specs ? specs[letter]?.value !== undefined : undefined);
  const parsed = getopt(words, takesValue, found.lenient);
  for (const complaint of parsed.complaints)
    renderer.failure(session, found.name, usage(found, `${typed}: ${complaint}`));
  const options: Record<string, boolean | number | string | undefined> = { ...absent };
  for (const [letter, value] of parsed.options) {
    const spec = specs[letter];
    if (spec === undefined) continue;
    if (value !== null) found.meets?.(session, letter, value);
    const refused = value === null ? null : (spec.refuse?.(value) ?? null);
    if (refused !== null) throw refused;
    if (value !== null && spec.misuses?.(value)) throw usage(found).silenced();
    if (value !== null) options[letter] = optionValue(session, spec.kind ?? 'text', spec.noun ?? 'value', value);
    else options[letter] = spec.counts ? (options[letter] as number) + 1 : true;
  }
  const settled = parsed.options.some(([letter]) => letter === found.settling);
  if (parsed.complaint !== null && !settled) throw usage(found, `${typed}: ${parsed.complaint}`);
  return {
    options: options as Arguments<OptionSpecs>['options'],
    operands: parsed.operands,
    words,
    last: (letters) => parsed.options.findLast(([letter]) => letters.includes(letter))?.[0] ?? null,
  };
}

const NO_OPTIONS: OptionSpecs = {};
const none = (): null => null;
const looksLikeOption = (word: string): boolean => word.length > 1 && word.charCodeAt(0) === 0x2d;

/** The options of each command when none was given. */
const absentOptions = new WeakMap<Command, Arguments<OptionSpecs>['options']>();

function optionsAbsent(found: Command, specs: OptionSpecs): Arguments<OptionSpecs>['options'] {
  const known = absentOptions.get(found);
  if (known !== undefined) return known;
  const options: Record<string, boolean | number | undefined> = {};
  for (const [letter, spec] of Object.entries(specs))
    options[letter] = spec.value !== undefined ? undefined : spec.counts ? 0 : false;
  absentOptions.set(found, options as Arguments<OptionSpecs>['options']);
  return options as Arguments<OptionSpecs>['options'];
}

function optionValue(session: Session, kind: 'size' | 'integer' | 'text', noun: string, word: string): number | string {
  if (kind === 'text') return word;
  if (kind === 'size') return session.mostSize(word, noun);
  const value = parseInteger(word);
  if (value === null) throw new CommandFailure(`non-numeric ${noun} -- ${word}`, { stream: 'stdout' });
  return value;
}
