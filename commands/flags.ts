/** extsize, cowextsize, chproj, lsproj, chattr, lsattr: what FS_IOC_FSGETXATTR tells and sets. */
import { FsError, strerror } from '../core/errors.ts';
import type { FlagsChange, Inode, Stat } from '../core/vfs/inode.ts';
import { resolve } from '../core/vfs/path.ts';
import { command, usage } from './command.ts';
import { Complaints } from './complaints.ts';
import { CommandFailure, type FailureOptions, perror } from './failure.ts';
import type { Session } from './session.ts';
import { type TreeEntry, treeDepthFirst } from './walk-tree.ts';
import {
  FSFLAG_LETTERS,
  fsflagLetters,
  fsflagsOf,
  ONLY_FSFLAGS,
  XFLAG_NAMES,
  Xflag,
  xflagLetters,
  xflagNames,
} from './xflags.ts';

const RECURSION = {
  D: { about: 'all directories below the open one' },
  R: { about: 'everything below the open directory' },
} as const;

/** The files that -R or -D mean, or null without either. */
function recursion(
  session: Session,
  options: { readonly D: boolean; readonly R: boolean },
): Iterable<TreeEntry> | null {
  if (!options.R && !options.D) return null;
  const file = session.file();
  const tree = treeDepthFirst(file.named, file.name);
  return options.D ? directories(tree) : tree;
}

function* directories(tree: Iterable<TreeEntry>): Generator<TreeEntry> {
  for (const entry of tree) if (entry.inode.kind === 'dir') yield entry;
}

function chosen(session: Session, options: { readonly D: boolean; readonly R: boolean }): Iterable<TreeEntry> {
  const file = session.file();
  return recursion(session, options) ?? [{ path: file.name, inode: file.named }];
}

interface HintRow {
  readonly path: string;
  /** 0: no hint. */
  readonly bytes: number;
}

/** @throws CommandFailure for -R and -D together */
function checkRecursion(session: Session, options: { readonly D: boolean; readonly R: boolean }): void {
  if (options.R && options.D) throw new CommandFailure(`${session.program}: -R and -D options are mutually exclusive`);
}

/** Of the open file itself nothing is told where it was opened for its name only. @throws CommandFailure EBADF */
function checkUsable(
  session: Session,
  options: { readonly D: boolean; readonly R: boolean },
  label: string,
  how: FailureOptions = {},
): void {
  if (!options.R && !options.D && session.file().unusable) throw perror(label, new FsError('EBADF'), how);
}

/** extsize and cowextsize differ in the field, in the flag that says it is set, and in how failure is worded. */
function hintCommand(name: 'extsize' | 'cowextsize', ioctl: string, about: string, flagOf: (inode: Inode) => number) {
  const spec = command({
    name,
    operands: `[${name}]`,
    about,
    options: RECURSION,
    xfsOnly: true,
    ...(name === 'cowextsize' ? { mildUsage: true as const } : {}),
    *run(session, { options, operands }): Generator<HintRow> {
      // The field has 32 bits: what is beyond them is lost, as in C.
      const bytes = operands[0] === undefined ? null : session.size(operands[0], `${name} argument`) % 2 ** 32;
      checkRecursion(session, options);
      checkUsable(session, options, `${session.program}: ${ioctl.replace('SET', 'GET')} ${session.file().name}`, {
        stream: 'stdout',
      });
      const failed = new Complaints();
      const unopened = new Complaints();
      for (const { path, inode } of reached(session, options, unopened)) {
        const stat = inode.stat();
        if (bytes === null) yield { path, bytes: stat[name] };
        else {
          if (inode.kind !== 'file' && inode.kind !== 'dir') {
            failed.say(`invalid target file type - file ${path}`, 'EINVAL');
            continue;
          }
          const hint = { xflags: stat.xflags | flagOf(inode), [name]: bytes };
          failed.attempt(`${session.program}: ${ioctl} ${path}`, () => inode.setFlags(hint));
        }
      }
      failed.raiseBeside(unopened);
    },
    text: ({ path, bytes }, out) => out.write(`[${bytes}] ${path}\n`),
    json: (row) => ({ command: name, ...row }),
  });
  return spec;
}

export const extsize = hintCommand(
  'extsize',
  'FS_IOC_FSSETXATTR',
  'print or set the size in bytes that extents should have',
  (inode) => (inode.kind === 'dir' ? Xflag.EXTSZINHERIT : Xflag.EXTSIZE),
);
export const cowextsize = hintCommand(
  'cowextsize',
  'XFS_IOC_FSSETXATTR',
  'print or set the size in bytes that copy-on-write extents should have',
  () => Xflag.COWEXTSIZE,
);

export const lsproj = command({
  name: 'lsproj',
  count: [0, 1],
  about: 'print the project of the open file',
  options: RECURSION,
  *run(session, { options, operands }): Generator<{ path: string; projid: number; tree: boolean }> {
    if (operands.length > 0) throw usage(lsproj);
    const tree = options.R || options.D;
    checkUsable(session, options, `FS_IOC_FSGETXATTR: ${strerror('EBADF')}\ngetprojid`);
    const unopened = new Complaints();
    for (const { path, inode } of reached(session, options, unopened))
      yield { path, projid: inode.stat().projid, tree };
    unopened.raise();
  },
  text: ({ path, projid, tree }, out) => out.write(tree ? `[${projid}] ${path}\n` : `projid = ${projid}\n`),
  json: ({ path, projid }) => ({ command: 'lsproj', path, projid }),
});

export const chproj = command({
  name: 'chproj',
  count: [1, Number.POSITIVE_INFINITY],
  operands: 'projid',
  about: 'set the project of the open file',
  options: RECURSION,
  call: 'setprojid',
  run(session, { options, operands }): undefined {
    if (operands.length !== 1) throw usage(chproj);
    const word = operands[0] as string;
    const projid = /^\+?[0-9]+$/.test(word) ? Number(word) : Number.NaN;
    if (!(projid < 0xffffffff)) throw new CommandFailure(`invalid project ID -- ${word}`, { stream: 'stdout' });
    checkRecursion(session, options);
    checkUsable(session, options, 'setprojid');
    const failed = new Complaints();
    for (const { inode } of reached(session, options, failed))
      failed.attempt('setprojid', () => inode.setFlags({ projid }));
    failed.raise('stderr');
  },
});

interface FlagsRow {
  readonly path: string;
  /** FS_XFLAG_* bits. */
  readonly xflags: number;
  /** FS_*_FL bits, of formats that have such. */
  readonly fsflags: number | undefined;
  readonly style: 'letters' | 'verbose' | 'all' | 'all verbose' | 'e2fs';
}

export const lsattr = command({
  name: 'lsattr',
  count: [0, 1],
  about: 'print the flags of the open file',
  options: {
    ...RECURSION,
    a: { about: 'and the flags that there are' },
    f: { about: "in the letters of e2fsprogs' lsattr, which has more of them (c compressed, C no copy on write, …)" },
    v: { about: 'long names' },
  },
  *run(session, { options }): Generator<FlagsRow> {
    const tree = options.D || options.R;
    checkUsable(session, options, `${session.program}: cannot get flags on ${session.file().name}`);
    const all = options.v ? 'all verbose' : 'all';
    const style = options.f ? 'e2fs' : tree ? 'letters' : options.a ? all : options.v ? 'verbose' : 'letters';
    const failed = new Complaints();
    for (const { path, inode } of reached(session, options, failed)) {
      const found = failed.attempt(`${session.program}: cannot get flags on ${path}`, () => flagsOf(inode));
      if (found !== null) yield { path, xflags: found.xflags >>> 0, fsflags: found.fsflags, style };
    }
    failed.raise();
  },
  text({ path, xflags, fsflags, style }, out) {
    if (style === 'e2fs') out.write(`${fsflagLetters(fsflags ?? fsflagsOf(xflags))} ${path}\n`);
    else if (style === 'verbose') out.write(`[${xflagNames(xflags)}] ${path} \n`);
    else if (style === 'all verbose') out.write(`[${xflagNames(xflags)}]/${xflagLetters(-1)} ${path} \n`);
    else if (style === 'all') out.write(`${xflagLetters(xflags)}/${xflagLetters(-1)} ${path} \n`);
    else out.write(`${xflagLetters(xflags)} ${path} \n`);
  },
  json: ({ path, xflags, fsflags }) => ({
    command: 'lsattr',
    path,
    xflags,
    flags: xflagNames(xflags),
    ...(fsflags === undefined ? {} : { fsflags, fsflagLetters: fsflagLetters(fsflags).replaceAll('-', '') }),
  }),
});

/** @throws FsError ENOTTY where a file of its kind has none: on btrfs all but files, directories and links */
function flagsOf(inode: Inode): Pick<Stat, 'xflags' | 'fsflags'> {
  const found = inode.stat();
  if (found.fsflags === undefined || ['file', 'dir', 'symlink'].includes(inode.kind)) return found;
  throw new FsError('ENOTTY');
}

/** What is chosen, as it is when it is opened: links lead to what they point to, and what cannot be opened is told. */
function* reached(
  session: Session,
  options: { readonly D: boolean; readonly R: boolean },
  failed: Complaints,
): Generator<TreeEntry> {
  const file = session.file();
  const { fs } = file.mount;
  for (const { path, inode } of chosen(session, options)) {
    const opened =
      !options.R && !options.D
        ? inode
        : failed.attempt(`${session.program}: cannot open ${path}`, () => {
            if (inode.kind === 'socket') throw new FsError('ENXIO');
            if (inode.kind !== 'symlink') return inode;
            return resolve(fs, fs.root(), `${file.path}${path.slice(file.name.length)}`, { follow: true });
          });
    if (opened !== null) yield { path, inode: opened };
  }
}

/** The flags for which Linux asks CAP_LINUX_IMMUTABLE. */
const GUARDED: readonly string[] = ['i', 'a'];

export const chattr = command({
  name: 'chattr',
  count: [1, Number.POSITIVE_INFINITY],
  operands: '[-R|-D] +flags|-flags...',
  about: 'set (+) or clear (-) flags of the open file',
  help: `The flags: ${XFLAG_NAMES.map(([, letter, name]) => `${letter} ${name}`).join(', ')}.
On btrfs also c compressed, m not compressed, C no copy on write, D directory sync, S sync.`,
  plain: true,
  run(session, args): undefined {
    const wanted = parseFlags(session, args.operands);
    checkRecursion(session, wanted);
    checkUsable(session, wanted, `${session.program}: cannot get flags on ${session.file().name}`);
    const failed = new Complaints();
    for (const { path, inode } of reached(session, wanted, failed)) {
      const found = failed.attempt(`${session.program}: cannot get flags on ${path}`, () => flagsOf(inode));
      if (found === null) continue;
      failed.attempt(`${session.program}: cannot set flags on ${path}`, () => {
        const change = changeOf(found, session, wanted.letters);
        if (wanted.letters.some(({ letter }) => GUARDED.includes(letter)) && !session.mayGuard())
          throw new FsError('EPERM');
        inode.setFlags(change);
      });
    }
    failed.raise('stderr');
  },
});

/** One letter, to be set or cleared. */
interface LetterChange {
  readonly letter: string;
  readonly set: boolean;
}

function parseFlags(session: Session, operands: readonly string[]) {
  const wanted = { letters: [] as LetterChange[], R: false, D: false };
  for (const word of operands) {
    if (word.startsWith('-R')) wanted.R = true;
    else if (word.startsWith('-D')) wanted.D = true;
    else if (word.startsWith('+') || word.startsWith('-')) {
      for (const letter of word.slice(1)) {
        const known = XFLAG_NAMES.some(([, name]) => name === letter) || letter in FSFLAG_LETTERS;
        if (!known) throw new CommandFailure(`${session.program}: unknown flag`);
        wanted.letters.push({ letter, set: word.startsWith('+') });
      }
    } else throw new CommandFailure(`${session.program}: bad chattr command, not +/-X`);
  }
  return wanted;
}

/** What the letters mean for an inode: its format decides, since xfs_io and e2fsprogs use some of them differently. */
function changeOf(
  { xflags, fsflags }: Pick<Stat, 'xflags' | 'fsflags'>,
  session: Session,
  letters: readonly LetterChange[],
): FlagsChange {
  if (fsflags !== undefined && letters.some(({ letter }) => ONLY_FSFLAGS.includes(letter))) {
    return { fsflags: applied(session, fsflags, letters, (letter) => FSFLAG_LETTERS[letter]) };
  }
  const bitOf = (letter: string): number | undefined => XFLAG_NAMES.find(([, name]) => name === letter)?.[0];
  return { xflags: applied(session, xflags, letters, bitOf) };
}

/** What is both set and cleared is cleared, as xfs_io has it. */
function applied(
  session: Session,
  flags: number,
  letters: readonly LetterChange[],
  bitOf: (letter: string) => number | undefined,
): number {
  let set = 0;
  let clear = 0;
  for (const { letter, set: on } of letters) {
    const bit = bitOf(letter);
    if (bit === undefined) throw new CommandFailure(`${session.program}: unknown flag`);
    if (on) set |= bit;
    else clear |= bit;
  }
  return ((flags | set) & ~clear) >>> 0;
}
