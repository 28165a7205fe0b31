/** stat and statfs: what is known of the open file and of its file system (xfs_io's io/stat.c). */

import { calendarTime } from '../core/calendar-time.ts';
import { FsError, strerror } from '../core/errors.ts';
import type { StatFs } from '../core/vfs/filesystem.ts';
import type { FileKind, Stat } from '../core/vfs/inode.ts';
import { command } from './command.ts';
import { type Entry, entryOf, writeEntry } from './entry.ts';
import { CommandFailure } from './failure.ts';
import { fullMode } from './mode.ts';
import { type OpenFlags, openFlagsText } from './open-file.ts';
import type { Session } from './session.ts';
import type { TextSink } from './text.ts';
import { xflagLetters, xflagNames } from './xflags.ts';

const KIND_NAMES: Record<FileKind, string> = {
  file: 'regular file',
  dir: 'directory',
  symlink: 'symbolic link',
  fifo: 'fifo',
  char: 'char device',
  block: 'block device',
  socket: 'socket',
};
/** What stat tells of an open file. */
export interface FileStat {
  /** The file as it was opened. */
  readonly name: string;
  /** How it was opened. */
  readonly flags: OpenFlags;
  readonly stat: Stat;
  /** How much xfs_io would print. */
  readonly style: 'plain' | 'verbose' | 'raw';
  /** Of other file systems than XFS, xfs_io tells nothing more. */
  readonly foreign: boolean;
  /** With times: also when it was made. */
  readonly birth?: boolean;
  /** Alignment that direct I/O asks for: of memory, and of file ranges. */
  readonly direct: { readonly memory: number; readonly unit: number };
}

export const stat = command({
  name: 'stat',
  count: [0, 1],
  own: (words) => words.some((word) => word.startsWith('-p')),
  perFile: true,
  operands: '[-p path]',
  about: 'what is known of the open file',
  help: 'With -p: one line for a path, as ls -p prints it; symbolic links are not followed.',
  options: {
    p: { value: 'path', kind: 'text', about: 'one line for this path' },
    r: { about: 'every field of struct stat' },
    v: { about: 'with times and long names' },
  },
  needs: 'image',
  completes: 'path',
  call: 'fstat',
  *run(session, { options }): Generator<FileStat | Entry> {
    if (options.p !== undefined) yield entryOf(session.lookup(options.p, { follow: false }), baseName(options.p));
    else yield* statOpen(session, options);
  },
  text(result, out) {
    if ('style' in result) writeStat(result, out);
    else writeEntry(result, out);
  },
  json: (result) => ({
    command: 'stat',
    ...('style' in result ? { file: result.name, ...result.stat, mode: fullMode(result.stat) } : result),
  }),
});

/** What stat tells of the open file, and then, where xfs_io's further questions cannot be asked, that they cannot. */
export function* statOpen(
  session: Session,
  options: { readonly r: boolean; readonly v: boolean; readonly birth?: boolean },
): Generator<FileStat> {
  const file = session.file();
  const style = options.r ? 'raw' : options.v ? 'verbose' : 'plain';
  if (file.broken) throw new FsError('EBADF');
  const st = file.named.stat();
  const foreign = file.mount.fs.type !== 'xfs';
  const { pathOnly } = file.flags;
  const birth = options.birth === undefined ? {} : { birth: options.birth };
  yield {
    name: file.name,
    flags: file.shown,
    stat: st,
    style,
    foreign: foreign || pathOnly,
    direct: directLimits(st),
    ...birth,
  };
  if (foreign || !pathOnly || style === 'raw' || (st.kind !== 'file' && st.kind !== 'dir')) return;
  const reason = strerror('EBADF');
  const text = `FS_IOC_FSGETXATTR: ${reason}\nXFS_IOC_DIOINFO: ${reason}`;
  throw new CommandFailure(text, { code: 'EBADF', silent: true });
}

function directLimits({ kind, directUnit }: Stat): FileStat['direct'] {
  if (kind !== 'file') return { memory: 0, unit: 0 };
  return { memory: 512, unit: directUnit };
}

function baseName(path: string): string {
  return path.replace(/\/+$/, '').split('/').at(-1) || '/';
}

function writeStat(result: FileStat, out: TextSink): void {
  const { stat: st, style } = result;
  if (style === 'raw') {
    writeRaw(st, out);
    return;
  }
  out.write(`fd.path = "${result.name}"\nfd.flags = ${openFlagsText(result.flags, 'stat')}\n`);
  out.write(`stat.ino = ${st.ino}\nstat.type = ${KIND_NAMES[st.kind]}\n`);
  out.write(`stat.size = ${st.size}\nstat.blocks = ${st.blocks}\n`);
  if (style === 'verbose') {
    out.write(`stat.atime = ${calendarTime(st.atime)}\nstat.mtime = ${calendarTime(st.mtime)}\n`);
    out.write(`stat.ctime = ${calendarTime(st.ctime)}\n`);
    if (result.birth && st.btime !== null) out.write(`stat.btime = ${calendarTime(st.btime)}\n`);
  }
  // A special file is opened as what it stands for, of which the image knows nothing.
  if (result.foreign || (st.kind !== 'file' && st.kind !== 'dir')) return;
  const flags = style === 'verbose' ? xflagNames(st.xflags) : xflagLetters(st.xflags);
  out.write(`fsxattr.xflags = 0x${(st.xflags >>> 0).toString(16)} [${flags}]\n`);
  out.write(`fsxattr.projid = ${st.projid}\nfsxattr.extsize = ${st.extsize}\n`);
  out.write(`fsxattr.cowextsize = ${st.cowextsize}\nfsxattr.nextents = ${st.nextents}\n`);
  out.write(`fsxattr.naextents = ${st.naextents}\n`);
  const { memory, unit } = result.direct;
  out.write(`dioattr.mem = 0x${memory.toString(16)}\ndioattr.miniosz = ${unit}\n`);
  out.write(`dioattr.maxiosz = ${unit === 0 ? 0 : 0x7fffffff - (0x7fffffff % unit)}\n`);
}

function writeRaw(st: Stat, out: TextSink): void {
  out.write(`stat.blksize = ${st.blockSize}\nstat.nlink = ${st.nlink}\nstat.uid = ${st.uid}\nstat.gid = ${st.gid}\n`);
  out.write(`stat.mode: 0${fullMode(st).toString(8)}\nstat.ino = ${st.ino}\n`);
  out.write(`stat.size = ${st.size}\nstat.blocks = ${st.blocks}\n`);
  for (const name of ['atime', 'ctime', 'mtime'] as const) {
    out.write(`stat.${name}.tv_sec = ${st[name].seconds}\nstat.${name}.tv_nsec = ${st[name].nanoseconds}\n`);
  }
  out.write(`stat.rdev_major = ${st.rdev?.major ?? 0}\nstat.rdev_minor = ${st.rdev?.minor ?? 0}\n`);
  out.write('stat.dev_major = 0\nstat.dev_minor = 0\n');
}

interface FsStat {
  readonly name: string;
  readonly statfs: StatFs;
  readonly parts: { readonly statfs: boolean; readonly geometry: boolean; readonly counts: boolean };
  /** xfs_io tells no more than statfs(2). */
  readonly foreign: boolean;
  /** It cannot be asked anything else. */
  readonly unusable: boolean;
}

export const statfs = command({
  name: 'statfs',
  about: "what is known of the open file's file system",
  options: {
    c: { about: 'only the counters' },
    g: { about: 'only the geometry' },
    s: { about: 'only what statfs(2) tells' },
  },
  *run(session, { options }): Generator<FsStat> {
    const all = !options.c && !options.g && !options.s;
    const parts = { statfs: all || options.s, geometry: all || options.g, counts: all || options.c };
    const file = session.file();
    const { name, foreign, unusable } = file;
    yield { name, statfs: file.mount.fs.statfs(file.named), parts, foreign, unusable };
    if (!unusable || foreign) return;
    const asked = [...(parts.geometry ? ['XFS_IOC_FSGEOMETRY'] : []), ...(parts.counts ? ['XFS_IOC_FSCOUNTS'] : [])];
    if (asked.length === 0) return;
    const text = asked.map((call) => `${call}: ${strerror('EBADF')}`).join('\n');
    throw new CommandFailure(text, { code: 'EBADF' });
  },
  text({ name, statfs: st, parts, foreign, unusable }, out) {
    out.write(`fd.path = "${name}"\n`);
    if (parts.statfs) {
      out.write(`statfs.f_bsize = ${st.blockSize}\nstatfs.f_blocks = ${st.blocks}\n`);
      // xfs_io 6.1 does not know f_bfree; it says something only where reserves make the two differ.
      if (st.geometry.length > 0 && st.bfree !== st.bavail) out.write(`statfs.f_bfree = ${st.bfree}\n`);
      out.write(`statfs.f_bavail = ${st.bavail}\n`);
      out.write(`statfs.f_files = ${st.files}\nstatfs.f_ffree = ${st.ffree}\n`);
      out.write(`statfs.f_flags = 0x${st.flags.toString(16)}\n`);
    }
    if (foreign || unusable) return;
    if (parts.geometry) for (const [key, value] of st.geometry) out.write(`geom.${key} = ${value}\n`);
    if (parts.counts) for (const [key, value] of st.counts) out.write(`counts.${key} = ${value}\n`);
  },
  json: ({ name, statfs: st }) => ({
    command: 'statfs',
    file: name,
    ...st,
    geometry: Object.fromEntries(st.geometry),
    counts: Object.fromEntries(st.counts),
  }),
});
