/**
 * Names of an inode: from its parent pointers where the image has them, else by looking through the directory tree.
 * Paths follow the names of the directories above in the same way. Every step is bounded: a directory that turns up
 * above itself is damage.
 */
import { corrupt, FsError } from '../../../core/errors.ts';
import { decodeName, encodeName } from '../../../core/vfs/names.ts';
import { attrPlaces, attrValue } from '../attr/read.ts';
import { dirEntries } from '../dir/read.ts';
import type { XfsInode } from '../inode.ts';
import type { XfsMount } from '../mount.ts';
import { AttrFlag, ParentRecord } from '../structure/attr.ts';
import { Dinode } from '../structure/dinode.ts';

/** One name of an inode. */
export interface ParentName {
  /** The directory, and its generation. */
  readonly ino: number;
  readonly gen: number;
  readonly name: string;
  /** Bytes of the name. */
  readonly length: number;
  /** From the root of the image. */
  readonly path: string;
}

/** Deepest nesting of directories that is followed. */
const MAX_DEPTH = 65536;

/** All names of an inode; none for the root and for files that have lost theirs. @throws FsError ENOENT, EUCLEAN, EIO */
export function parentNames(mp: XfsMount, ino: number): Iterable<ParentName> {
  const ip = mp.inodes.get(ino);
  if (ino === mp.rootIno) return [];
  return mp.features.parent ? fromPointers(ip) : fromTree(ip);
}

/** All paths of an inode. @throws FsError ENOENT, EUCLEAN, EIO */
export function* inodePaths(mp: XfsMount, ino: number): Generator<string> {
  if (ino === mp.rootIno) yield '/';
  for (const { path } of parentNames(mp, ino)) yield path;
}

function* fromPointers(ip: XfsInode): Generator<ParentName> {
  const { mp } = ip;
  for (const pointer of pointersOf(ip)) {
    const { ino, gen } = pointer;
    const name = decodeName(pointer.name);
    const { length } = pointer.name;
    yield { ino, gen, name, length, path: join(directoryPath(mp, ino), name) };
  }
}

interface Pointer {
  readonly ino: number;
  readonly gen: number;
  readonly name: Uint8Array;
}

function* pointersOf(ip: XfsInode): Generator<Pointer> {
  for (const place of attrPlaces(ip)) {
    if ((place.flags & AttrFlag.PARENT) === 0) continue;
    const value = attrValue(ip, place);
    if (value.length !== ParentRecord.size)
      throw corrupt({ structure: `inode ${ip.ino}`, field: 'parent pointer', rule: `${ParentRecord.size} bytes` });
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    yield { ino: ParentRecord.get.ino(view, 0), gen: ParentRecord.get.gen(view, 0), name: place.name };
  }
}

/** The path of a directory: it has one name. */
function directoryPath(mp: XfsMount, ino: number): string {
  const names: string[] = [];
  for (let at = ino; at !== mp.rootIno; ) {
    const [pointer] = pointersOf(mp.inodes.get(at));
    if (pointer === undefined || names.length === MAX_DEPTH)
      throw corrupt({ structure: `directory ${at}`, field: 'parent pointer', rule: 'it leads to the root' });
    names.push(decodeName(pointer.name));
    at = pointer.ino;
  }
  return `/${names.reverse().join('/')}`;
}

/** Looks through the whole tree, directories in the order in which they are found. */
function* fromTree(ip: XfsInode): Generator<ParentName> {
  const { mp } = ip;
  const seen = new Set<number>([mp.rootIno]);
  const waiting: { ino: number; path: string }[] = [{ ino: mp.rootIno, path: '/' }];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const dp = mp.inodes.get(at.ino);
    const below: { ino: number; path: string }[] = [];
    for (const { name, ino, kind } of dirEntries(dp)) {
      if (name === '.' || name === '..') continue;
      const path = join(at.path, name);
      if (ino === ip.ino) {
        const gen = Dinode.get.gen(dp.buf.view, dp.base);
        yield { ino: dp.ino, gen, name, length: encodeName(name).length, path };
      }
      if ((kind ?? kindOf(mp, ino)) !== 'dir') continue;
      if (seen.has(ino)) throw corrupt({ structure: `directory ${ino} at ${path}`, rule: 'it has one name' });
      seen.add(ino);
      below.push({ ino, path });
    }
    for (const directory of below.reverse()) waiting.push(directory);
  }
}

/** What the inode itself says, for images whose directories do not say it. */
function kindOf(mp: XfsMount, ino: number): string | null {
  try {
    return mp.inodes.get(ino).kind;
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return null;
    throw error;
  }
}

function join(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}
