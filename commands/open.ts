/** open, close, file, print: the table of open files (xfs_io's io/open.c and io/file.c). */
import { FsError } from '../core/errors.ts';
import { command, usage } from './command.ts';
import { CommandFailure, perror } from './failure.ts';
import { type OpenFile, type OpenFlags, openFlagsText, PLAIN } from './open-file.ts';
import { type RegionTable, regionTable, writeRegions } from './regions.ts';
import type { Place, Session } from './session.ts';
import { stat, statOpen } from './stat.ts';
import type { TextSink } from './text.ts';
import { parseDecimal, parseInteger } from './words.ts';
import { Xflag } from './xflags.ts';

interface FileTable {
  /** `type`: the file system's, or what it is, if no file. */
  readonly files: readonly { readonly name: string; readonly flags: OpenFlags; readonly type: string }[];
  /** The current one's index; -1: none. */
  readonly current: number;
}

function fileTable(session: Session): FileTable {
  const files = session.files.map(({ name, shown, mount, named: inode }) => {
    // xfs_io asks the open file what it is on: of a pipe or a link no answer comes.
    const type = inode.kind === 'file' || inode.kind === 'dir' ? mount.fs.type : inode.kind;
    return { name, flags: shown, type };
  });
  return { files, current: session.current === null ? -1 : session.files.indexOf(session.current) };
}

function writeTable({ files, current }: FileTable, out: TextSink): void {
  for (const [i, { name, flags, type }] of files.entries()) {
    const [before, after] = i === current ? ['[', ']'] : [' ', ' '];
    const number = String(i).padStart(3, '0');
    // To xfs_io every file system but XFS is foreign.
    const kind = type === 'xfs' ? 'xfs' : 'foreign';
    out.write(`${before}${number}${after} ${name.padEnd(14)} (${kind},${openFlagsText(flags)})\n`);
  }
}

/**
 * Opens the file of this name, at `place` where that is known, and makes it the current file. A directory is opened
 * for reading, as xfs_io does after EISDIR.
 * @throws CommandFailure `NAME: No such file or directory`
 */
export function openTarget(session: Session, name: string, flags: OpenFlags, mode: number, place?: Place): OpenFile {
  try {
    const file = session.open(place ?? session.where(name), name, flags, mode);
    const settable = !file.flags.readOnly && !flags.pathOnly && file.mount.fs.type === 'xfs';
    if (flags.realtime && settable) moveToRealtime(session, file);
    return file;
  } catch (error) {
    throw error instanceof FsError ? perror(metOnTheWay(error, flags) ? 'stat' : name, error) : error;
  }
}

/** The file's data shall go to the realtime device; a file for which that cannot be is closed again. @throws CommandFailure */
function moveToRealtime(session: Session, { inode }: OpenFile): void {
  try {
    inode.setFlags({ xflags: inode.stat().xflags | Xflag.REALTIME });
  } catch (error) {
    session.close();
    throw error instanceof FsError ? perror('FS_IOC_FSSETXATTR', error) : error;
  }
}

/** xfs_io asks stat(2) before it opens, and what stops the path walk is printed under that name. */
function metOnTheWay({ code, path }: FsError, flags: OpenFlags): boolean {
  if (code === 'ELOOP') return !flags.noFollow;
  // That the last name is no directory the walk has no complaint about.
  return (code === 'ENOTDIR' && (!flags.tmpfile || path !== undefined)) || code === 'ENAMETOOLONG';
}

/** Opens a further file that a command names. @throws CommandFailure `PATH: No such file or directory` */
export function openInput(
  session: Session,
  path: string,
  options: { readonly write?: boolean; readonly silent?: boolean } = {},
): OpenFile {
  try {
    return session.openSource(path, options);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    const label = metOnTheWay(error, PLAIN) ? 'stat' : path;
    throw perror(label, new FsError(error.code), { silent: options.silent === true });
  }
}

/** Any of the flags that -P and -L do not go with. */
function togetherWith({ pathOnly: _, noFollow: __, dax: ___, ...others }: OpenFlags): boolean {
  return Object.values(others).some((value) => value);
}

/** What is no mode ends the looking at the options where it stands. */
function notMode(word: string): CommandFailure | null {
  return parseInteger(word) === null ? new CommandFailure(`non-numeric mode -- ${word}`, { stream: 'stdout' }) : null;
}

export const open = command({
  name: 'open',
  alias: 'o',
  operands: '[path]',
  about: 'open a file, or show the current one',
  options: {
    a: { about: 'append only' },
    c: { about: 'create it, the same as -f' },
    dax: { about: 'direct access: no pages, no alignment; mappings are of the device itself' },
    d: { about: 'direct I/O' },
    F: { about: 'accepted' },
    f: { about: 'create it if it does not exist' },
    L: { about: 'do not follow a symbolic link' },
    m: { value: 'mode', kind: 'text', refuse: notMode, about: 'permissions of a created file (default 0600)' },
    n: { about: 'accepted' },
    P: { about: 'for its name only: nothing can be done to it' },
    R: { about: 'put its data on the realtime device' },
    r: { about: 'read only' },
    s: { about: 'every write is durable when it returns' },
    t: { about: 'empty it' },
    T: { about: 'a new file without a name in the directory given' },
    x: { about: 'the same as -R' },
  },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, args) {
    const { options, operands } = args;
    const bare =
      operands.length === 0 && Object.values(options).every((value) => value === false || value === undefined);
    if (bare && session.current !== null) return statOpen(session, { r: false, v: false });
    if (bare) session.file();
    const mode = (options.m === undefined ? null : parseInteger(options.m)) ?? 0o600;
    if (operands.length !== 1) throw usage(open);
    const flags = {
      readOnly: options.r,
      create: options.c || options.f,
      append: options.a,
      direct: options.d,
      sync: options.s,
      truncate: options.t,
      nonBlock: options.n,
      noFollow: options.L,
      tmpfile: options.T,
      dax: options.dax,
      pathOnly: options.P,
      realtime: options.R || options.x,
    };
    if (options.T && options.r) {
      // xfs_io ends there.
      session.ended = true;
      throw new CommandFailure('-T and -r options are incompatible');
    }
    if ((options.P || options.L) && togetherWith(flags)) {
      session.ended = true;
      throw new CommandFailure('-P and -L are incompatible with the other options');
    }
    const path = operands[0] as string;
    openTarget(session, path, flags, mode);
    return undefined;
  },
  text: (result, out) => stat.text?.(result, out),
});

export const close = command({
  name: 'close',
  survives: true,
  alias: 'c',
  count: [0, 0],
  about: 'close the current file',
  once: true,
  call: 'close',
  run(session): FileTable {
    if (session.current?.broken) throw new FsError('EBADF');
    session.close();
    return fileTable(session);
  },
  text: writeTable,
});

export const file = command({
  name: 'file',
  plain: true,
  survives: true,
  alias: 'f',
  count: [0, 1],
  operands: '[n]',
  about: 'make an open file the current one',
  once: true,
  run(session, { operands }): FileTable {
    if (operands[0] !== undefined) {
      const index = parseDecimal(operands[0]);
      const chosen = session.files[index];
      if (chosen === undefined) {
        const text = `value ${index} is out of range (0-${session.files.length - 1})`;
        throw new CommandFailure(text, { stream: 'stdout' });
      }
      session.current = chosen;
    }
    return fileTable(session);
  },
  text: writeTable,
});

interface OpenTables {
  readonly files: FileTable;
  readonly regions: RegionTable;
}

export const print = command({
  name: 'print',
  alias: 'p',
  count: [0, 0],
  about: 'list the open files and the mapped regions',
  yields: true,
  needs: 'nothing',
  once: true,
  run: (session): OpenTables => ({ files: fileTable(session), regions: regionTable(session) }),
  text({ files, regions }, out) {
    writeTable(files, out);
    writeRegions(regions, out);
  },
});
