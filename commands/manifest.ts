/**
 * manifest: every file below a path with all that identifies it: for comparing two images, or an image with what
 * Linux reports. With --json one object a line; a damaged directory that contains one of its own parents ends the
 * walk with an error instead of a loop.
 */
import { createHash } from 'node:crypto';
import { corrupt } from '../core/errors.ts';
import { type FiemapVisitor, fiemap } from '../core/iomap/fiemap.ts';
import { exactPos } from '../core/positions.ts';
import { advance } from '../core/steps.ts';
import { MAX_POS } from '../core/units.ts';
import { File } from '../core/vfs/file.ts';
import { type Inode, sameInode } from '../core/vfs/inode.ts';
import { command } from './command.ts';
import { Complaints, sortedEntries } from './complaints.ts';
import { timestampText } from './entry.ts';
import { modeText } from './mode.ts';
import type { Session } from './session.ts';
import { childPath, tidyPath } from './tidy-path.ts';

/** As fiemap gives it: file position, device byte, length, FIEMAP_EXTENT_* bits. */
type Extent = readonly [logical: number | bigint, physical: number, length: number, flags: number];

interface Item {
  readonly path: string;
  readonly type: Inode['kind'];
  readonly ino: number;
  /** Permission bits; the type is `type`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: number | bigint;
  /** Seconds since 1970 and nine digits of a fraction. */
  readonly mtime: string;
  /** Where a symbolic link points. */
  readonly target?: string;
  /** Of a file's bytes, hexadecimal. */
  readonly sha256?: string;
  /** Values as hexadecimal. */
  readonly xattrs?: { readonly [name: string]: string };
  /** Of a file: each its position, device byte, length and FIEMAP_EXTENT_* bits. */
  readonly extents?: readonly Extent[];
  /** Why what is missing here cannot be told: the file is damaged. */
  readonly error?: string;
}

/** A file of which not even the inode can be read. */
type Unreadable = Required<Pick<Item, 'path' | 'error'>>;

/** Larger files get no checksum: a sparse file of a tebibyte is small on disk and long to read. */
const HASH_LIMIT = 1 << 30;
const CHUNK = 1 << 20;

export const manifest = command({
  name: 'manifest',
  count: [0, 1],
  operands: '[path]',
  about: 'every file below a path, with checksums, attributes and extents',
  needs: 'image',
  once: true,
  completes: 'path',
  *run(session, { operands }): Generator<Item | Unreadable> {
    const path = operands[0] ?? session.cwd;
    const complaints = new Complaints();
    const root = session.lookup(path, { follow: false });
    yield* walk({ session, complaints }, tidyPath(session.where(path).path), root, []);
    complaints.raise();
  },
  text(item, out) {
    // The complaints follow the list.
    if (!('ino' in item)) return;
    const mode = modeText({ mode: item.mode, kind: item.type });
    const arrow = item.target === undefined ? '' : ` -> ${item.target}`;
    out.write(
      `${mode} ${item.nlink} ${item.uid}:${item.gid} ${item.size} ${item.mtime} ${item.ino} ${item.path}${arrow}\n`,
    );
    if (item.sha256 !== undefined) out.write(`    sha256 ${item.sha256}\n`);
    for (const [name, hash] of Object.entries(item.xattrs ?? {})) out.write(`    ${name} sha256 ${hash}\n`);
    for (const [offset, physical, length, flags] of item.extents ?? []) {
      const last = typeof offset === 'number' ? offset + length - 1 : offset + BigInt(length) - 1n;
      out.write(`    [${offset}..${last}] ${physical} 0x${flags.toString(16)}\n`);
    }
  },
  json: (item) => item,
});

interface Walk {
  readonly session: Session;
  readonly complaints: Complaints;
}

/**
 * The item of `inode` and of everything below it, names in order; `parents` are the directories that lead there. What
 * is damaged does not hide the rest.
 */
function* walk(at: Walk, path: string, inode: Inode, parents: readonly Inode[]): Generator<Item | Unreadable> {
  yield describe(at, path, inode);
  if (inode.kind !== 'dir') return;
  if (parents.some((parent) => sameInode(parent, inode))) {
    throw corrupt({ structure: `directory ${inode.ino} at ${path}`, rule: 'it contains itself' });
  }
  const below = [...parents, inode];
  for (const entry of sortedEntries(inode, `manifest: ${path}`, at.complaints)) {
    const name = childPath(path, entry.name);
    let child: Inode;
    try {
      child = inode.childOf(entry);
    } catch (error) {
      yield { path: name, error: at.complaints.add(`manifest: ${name}`, error) };
      continue;
    }
    yield* walk(at, name, child, below);
  }
}

function describe({ session, complaints }: Walk, path: string, inode: Inode): Item | Unreadable {
  let item: Item | Unreadable = { path, error: '' };
  try {
    const { ino, mode, uid, gid, nlink, size, mtime, kind } = inode.stat();
    item = { path, type: kind, ino, mode, uid, gid, nlink, size, mtime: timestampText(mtime) };
    const xattrs = userXattrs(inode);
    if (xattrs !== null) item = { ...item, xattrs };
    if (kind === 'symlink') return { ...item, target: inode.readlink() };
    if (kind !== 'file') return item;
    item = { ...item, extents: extentsOf(inode) };
    return size < HASH_LIMIT ? { ...item, sha256: hashOf(session, inode) } : item;
  } catch (error) {
    return { ...item, error: complaints.add(`manifest: ${path}`, error) };
  }
}

function userXattrs(inode: Inode): { [name: string]: string } | null {
  const found: { [name: string]: string } = {};
  for (const { namespace, name } of inode.listXattrs()) {
    const value = namespace === 'user' ? inode.getXattr(namespace, name) : null;
    if (value !== null) found[`user.${name}`] = createHash('sha256').update(value).digest('hex');
  }
  return Object.keys(found).length > 0 ? found : null;
}

function extentsOf(inode: Inode): Extent[] {
  const extents: Extent[] = [];
  const visit: FiemapVisitor = (logical, ...rest) => extents.push([exactPos(logical), ...rest]) > 0;
  fiemap(inode, 0, MAX_POS, visit, { sync: true });
  return extents;
}

function hashOf(session: Session, inode: Inode): string {
  const file = new File(inode, {});
  try {
    return sumOf(session, file);
  } finally {
    file.close();
  }
}

function sumOf(session: Session, file: File): string {
  const sum = createHash('sha256');
  const buffer = session.buffer(CHUNK);
  for (let at = 0; ; ) {
    const bytes = file.read(at, buffer);
    if (bytes === 0) break;
    sum.update(buffer.subarray(0, bytes));
    advance(bytes);
    at += bytes;
  }
  return sum.digest('hex');
}
