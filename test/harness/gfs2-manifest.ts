/** What Linux said of a gfs2 (test/vm/gfs2.look.py), and how a mounted image differs from it. */
import { createHash } from 'node:crypto';
import { FsError } from '../../core/errors.ts';
import { bmap } from '../../core/iomap/bmap.ts';
import { fiemap } from '../../core/iomap/fiemap.ts';
import { seekData, seekHole } from '../../core/iomap/seek.ts';
import { exactPos } from '../../core/positions.ts';
import { MAX_POS } from '../../core/units.ts';
import { File } from '../../core/vfs/file.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { FileKind, Inode, Timestamp } from '../../core/vfs/inode.ts';
import { encodeName } from '../../core/vfs/names.ts';

type Exact = number | string;
type Extent = readonly [offset: Exact, place: number, length: number, flags: number];

/** What Linux says of one path. 64-bit numbers that JSON would round are text. */
interface Entry {
  readonly type: FileKind;
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: Exact;
  readonly mtime_ns: string;
  readonly sha256?: string;
  readonly target?: string;
  readonly xattrs?: Readonly<Record<string, string>>;
  readonly extents?: readonly Extent[];
  readonly more: {
    readonly blocks: number;
    readonly blksize: number;
    readonly ctime: string;
    readonly atime: string;
    readonly rdev?: readonly [number, number];
    /** Names of all attributes in order, or a checksum of the list. */
    readonly names?: readonly string[] | string;
    /** Values of those that are not users', in hexadecimal. */
    readonly attributes?: Readonly<Record<string, string>>;
    readonly flags?: number | string;
    readonly extents?: readonly Extent[];
    readonly pieces?: readonly Exact[];
    readonly bmap?: readonly (number | string)[];
    readonly entries?: readonly (readonly [string, number, number, number])[];
    readonly order?: string;
  };
}

type Files = Readonly<Record<string, Entry>>;

export interface Gfs2Manifest {
  readonly statfs: Readonly<Record<'bsize' | 'blocks' | 'bfree' | 'bavail' | 'files' | 'ffree' | 'namemax', number>>;
  readonly files: Files;
  /** The system directory. */
  readonly master: Files;
}

/** The text of a manifest with the times, which JSON would round, as text. */
export function parseManifest(text: string): Gfs2Manifest {
  return JSON.parse(text.replace(/"mtime_ns":\s*(-?\d+)/g, '"mtime_ns":"$1"')) as Gfs2Manifest;
}

/** In what free space differs. */
export function statfsDifferences(fs: Filesystem, { statfs }: Gfs2Manifest): string[] {
  const { blockSize: bsize, nameMax: namemax, ...rest } = fs.statfs();
  const got: Record<string, unknown> = { bsize, namemax, ...rest };
  return Object.entries(statfs)
    .filter(([name, value]) => name !== 'fsid' && got[name] !== value)
    .map(([name, value]) => `statfs ${name}: ${got[name]}, Linux ${value}`);
}

/** Files of the system directory that a mount keeps to itself. */
const LOCKED = /^(statfs|quota)_change\d+$/;

/** In what the files below a root differ from what Linux said of them; none are left out. */
export function fileDifferences(fs: Filesystem, root: Inode, wanted: Files): string[] {
  const wrong: string[] = [];
  const seen = new Set<string>();
  const walk = (path: string, inode: Inode): void => {
    seen.add(path);
    const entry = wanted[path];
    if (entry === undefined) wrong.push(`${path}: Linux has no such path`);
    else wrong.push(...compare(fs, path, inode, entry));
    if (inode.kind !== 'dir') return;
    for (const child of inode.entries())
      if (child.name !== '.' && child.name !== '..' && !LOCKED.test(child.name))
        walk(`${path === '/' ? '' : path}/${child.name}`, inode.childOf(child));
  };
  walk('/', root);
  for (const path of Object.keys(wanted)) if (!seen.has(path)) wrong.push(`${path}: missing`);
  return wrong;
}

function compare(fs: Filesystem, path: string, inode: Inode, wanted: Entry): string[] {
  const got = describe(fs, inode);
  const flat = (entry: object): [string, unknown][] =>
    Object.entries(entry).flatMap(([key, value]) =>
      key === 'more' ? Object.entries(value as object) : [[key, value]],
    );
  const ours = new Map(flat(got));
  // The system directory's own extents and attributes have the same keys as those of files.
  return (
    flat(wanted)
      // Linux 6.1 forgets a device's numbers between a look-up and reading the inode, and shows 0:0.
      .filter(([key, value]) => text(ours.get(key)) !== text(value) && (key !== 'rdev' || text(value) !== '[0,0]'))
      .map(([key, value]) => `${path} ${key}: ${text(ours.get(key)).slice(0, 300)}, Linux ${text(value).slice(0, 300)}`)
  );
}

function text(value: unknown): string {
  return (
    JSON.stringify(value, (_, part) =>
      typeof part === 'object' && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
        : part,
    ) ?? 'nothing'
  );
}

const exact = (label: number): Exact => {
  const position = exactPos(label);
  return typeof position === 'bigint' || position >= 2 ** 53 ? String(position) : position;
};

function nanoseconds({ seconds, nanoseconds: rest }: Timestamp): string {
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(rest));
}

function describe(fs: Filesystem, inode: Inode): Omit<Entry, 'more'> & { more: object } {
  const st = inode.stat();
  const size = typeof st.size === 'bigint' ? String(st.size) : st.size;
  const entry = {
    type: st.kind,
    ino: st.ino,
    mode: st.mode,
    uid: st.uid,
    gid: st.gid,
    nlink: st.nlink,
    size,
    mtime_ns: nanoseconds(st.mtime),
  };
  const more = {
    blocks: st.blocks,
    blksize: st.blockSize,
    ctime: nanoseconds(st.ctime),
    atime: nanoseconds(st.atime),
    ...(st.rdev === null ? {} : { rdev: [st.rdev.major, st.rdev.minor] }),
    ...attributes(inode),
    flags: st.fsflags,
  };
  if (inode.kind === 'symlink') return { ...entry, target: inode.readlink(), ...users(inode), more };
  if (inode.kind === 'dir')
    return { ...entry, ...users(inode), more: { ...more, extents: extents(inode), ...listing(inode) } };
  if (inode.kind !== 'file') return { ...entry, ...users(inode), more };
  const sha256 = Number(st.size) < 1 << 22 ? { sha256: digest(inode) } : {};
  return {
    ...entry,
    ...users(inode),
    ...sha256,
    extents: extents(inode),
    more: { ...more, pieces: pieces(inode), bmap: [0, 1, 5, 64, 300].map((block) => bmap(inode, block)), fs: fs.type },
  };
}

function users(inode: Inode): { xattrs?: Record<string, string> } {
  const xattrs: Record<string, string> = {};
  for (const { namespace, name } of inode.listXattrs())
    if (namespace === 'user')
      xattrs[`user.${name}`] = createHash('sha256')
        .update(inode.getXattr(namespace, name) ?? 'none')
        .digest('hex');
  return Object.keys(xattrs).length > 0 ? { xattrs } : {};
}

function attributes(inode: Inode): { names?: string[] | string; attributes?: Record<string, string> } {
  const all = inode.listXattrs();
  if (all.length === 0) return {};
  const names = all.map(({ namespace, name }) => `${namespace}.${name}`);
  const rest = all.filter(({ namespace }) => namespace !== 'user');
  const values = rest.map(({ namespace, name }) => {
    return [`${namespace}.${name}`, Buffer.from(inode.getXattr(namespace, name) ?? []).toString('hex')] as const;
  });
  return {
    names: names.length < 30 ? names : createHash('sha256').update(names.join('\0')).digest('hex'),
    ...(values.length > 0 ? { attributes: Object.fromEntries(values) } : {}),
  };
}

function extents(inode: Inode): Extent[] {
  const found: Extent[] = [];
  fiemap(inode, 0, MAX_POS, (logical, ...rest) => found.push([exact(logical), ...rest]) > 0);
  return found;
}

/** As the script asks: data and holes by turns from the first data on. */
function pieces(inode: Inode): Exact[] {
  const found: Exact[] = [];
  for (let pos = 0, data = true; found.length < 40; data = !data) {
    try {
      pos = data ? seekData(inode, pos) : seekHole(inode, pos);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      return [...found, error.code];
    }
    found.push(exact(pos));
    if (pos >= inode.size) break;
  }
  return found;
}

function digest(inode: Inode): string {
  const file = new File(inode, {});
  const sum = createHash('sha256');
  const buffer = new Uint8Array(1 << 20);
  for (let at = 0; ; ) {
    const bytes = file.read(at, buffer);
    if (bytes === 0) break;
    sum.update(buffer.subarray(0, bytes));
    at += bytes;
  }
  file.close();
  return sum.digest('hex');
}

const TYPES: Readonly<Record<FileKind, number>> = {
  fifo: 1,
  char: 2,
  dir: 4,
  block: 6,
  file: 8,
  symlink: 10,
  socket: 12,
};

function listing(dir: Inode): { entries?: unknown; order?: string } {
  const found = [...dir.entries()].map(({ name, ino, offset, kind }) => {
    return [Buffer.from(encodeName(name)).toString('latin1'), ino, offset, kind === null ? 0 : TYPES[kind]] as const;
  });
  if (found.length <= 70) return { entries: found };
  const lines = found.map((entry) => entry.join(' ')).join('\n');
  return { order: createHash('sha256').update(Buffer.from(lines, 'latin1')).digest('hex') };
}
