/** The names of inodes, looked for in all directories. */
import type { FsError } from '../../../core/errors.ts';
import type { Ext4Inode } from '../inode.ts';
import type { Ext4Mount } from '../mount.ts';
import { ROOT_INO } from '../structure/inode.ts';
import { scanInodes } from './inode-scan.ts';

/** Directories between a name and the root; more are a loop. */
const MAX_DEPTH = 4096;

export interface FoundName {
  readonly ino: number;
  readonly path: string;
}

/** Every path of the inodes wanted, by the number of the directory that has it. @throws FsError as scanInodes() */
export function namesOf(
  mp: Ext4Mount,
  wanted: ReadonlySet<number>,
  failed: (ino: number, error: FsError) => void,
): FoundName[] {
  const found: FoundName[] = [];
  const paths = new Map<number, string>([[ROOT_INO, '']]);
  scanInodes(
    mp,
    (dir) => {
      if (dir.kind !== 'dir') return true;
      for (const { name, ino } of dir.entries())
        if (name !== '.' && name !== '..' && wanted.has(ino))
          found.push({ ino, path: `${pathOf(mp, dir, paths)}/${name}` });
      return true;
    },
    failed,
  );
  return found;
}

/** The path of a directory, from the names that its parents have for their children; `<12>` where they have none. */
function pathOf(mp: Ext4Mount, dir: Ext4Inode, paths: Map<number, string>): string {
  const names: string[] = [];
  let at = dir;
  while (!paths.has(at.ino)) {
    const parent = at.lookup('..');
    const name = parent === null || names.length > MAX_DEPTH ? null : nameIn(mp.iget(parent), at.ino);
    if (parent === null || name === null) {
      paths.set(at.ino, `<${at.ino}>`);
      break;
    }
    names.push(name);
    at = mp.iget(parent);
  }
  let path = paths.get(at.ino) as string;
  for (const name of names.reverse()) path += `/${name}`;
  paths.set(dir.ino, path);
  return path;
}

function nameIn(parent: Ext4Inode, ino: number): string | null {
  for (const entry of parent.entries())
    if (entry.ino === ino && entry.name !== '.' && entry.name !== '..') return entry.name;
  return null;
}
