/** inode-resolve, logical-resolve, map-logical, rootid, subvolid-resolve: from numbers to names and places. */
import { FsError } from '../../../core/errors.ts';
import { says, type WordContext, WordFailure, word } from '../../../core/vfs/word.ts';
import type { BtrfsInode } from '../inode.ts';
import { inodePaths, subvolumePath } from '../inspect/paths.ts';
import { extentsIn, uses } from '../inspect/places.ts';
import type { BtrfsMount } from '../mount.ts';
import { findSubvolume } from '../subvolume.ts';
import type { TreeRoot } from '../tree/root.ts';
import { mountOf } from './mount-of.ts';

function numberOf(text: string, what: string): number {
  const value = /^(0[xX][0-9a-fA-F]+|\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new WordFailure(`${what}: ${text} is not a valid numeric value`);
  return value;
}

/** The subvolume that a path is in, or the opened one. */
function rootOf(context: WordContext, path: string | undefined): TreeRoot {
  const inode = path === undefined ? context.fs.root() : context.lookup(path);
  return (inode as BtrfsInode).root;
}

/** The path of a subvolume's inode from where the user's paths start; null if none leads there. */
function fullPath(mp: BtrfsMount, context: WordContext, root: number, path: string): string {
  const opened = rootOf(context, undefined).id;
  if (root === opened) return `/${path}`;
  const above = subvolumePath(mp, root);
  if (above === null) return `<${root}>/${path}`;
  const base = subvolumePath(mp, opened);
  if (base === null || (base !== '' && !above.startsWith(`${base}/`))) return `<FS_TREE>/${above}/${path}`;
  return `/${base === '' ? above : above.slice(base.length + 1)}/${path}`;
}

const inodeResolve = word({
  name: 'inode-resolve',
  count: [1, 3],
  operands: 'inode [path]',
  about: 'the paths of an inode, in the subvolume of the path or the opened one',
  options: { v: { about: 'accepted' } },
  run(context, { operands }) {
    if (operands.length < 1 || operands.length > 2) throw context.usage();
    const ino = numberOf(operands[0] as string, 'inode-resolve');
    const root = rootOf(context, operands[1]);
    const paths = inodePaths(root, ino).map((path) => fullPath(root.mp, context, root.id, path));
    if (paths.length === 0) throw new FsError('ENOENT');
    return says({ inode: ino, root: root.id, paths }, paths);
  },
});

const logicalResolve = word({
  name: 'logical-resolve',
  count: [1, 4],
  operands: 'logical',
  about: 'the files that use a logical address',
  options: {
    o: { about: 'any part of the extent, not only this address' },
    P: { about: 'inodes, not paths' },
    s: { value: 'size', kind: 'text', about: 'accepted' },
    v: { about: 'accepted' },
  },
  run(context, { options, operands }) {
    if (operands.length !== 1) throw context.usage();
    const mp = mountOf(context);
    const logical = numberOf(operands[0] as string, 'logical-resolve');
    return resolved(mp, context, logical, options.o, options.P);
  },
});

function* resolved(mp: BtrfsMount, context: WordContext, logical: number, anywhere: boolean, numbers: boolean) {
  for (const { root, ino, offset } of uses(mp, logical, anywhere)) {
    const tree = findSubvolume(mp, root);
    const paths = tree === null ? [] : inodePaths(tree, ino).map((path) => fullPath(mp, context, root, path));
    const lines = numbers ? [`inode ${ino} offset ${offset} root ${root}`] : paths;
    yield says({ root, inode: ino, offset, paths }, lines);
  }
}

const mapLogical = word({
  name: 'map-logical',
  operands: '-l logical',
  about: 'where a logical address lies on the devices',
  options: {
    b: { value: 'bytes', kind: 'size', about: 'so many bytes; one tree block where absent' },
    c: { value: 'copy', kind: 'integer', about: 'only this copy' },
    l: { value: 'logical', kind: 'text', about: 'the address' },
  },
  run(context, { options, operands }) {
    const text = options.l ?? operands[0];
    if (text === undefined || operands.length > (options.l === undefined ? 1 : 0)) throw context.usage();
    const mp = mountOf(context);
    return mapped(mp, numberOf(text, 'map-logical'), options.b ?? mp.nodeSize, options.c ?? 0);
  },
});

function* mapped(mp: BtrfsMount, start: number, length: number, copy: number) {
  let any = false;
  for (const extent of extentsIn(mp, start, length)) {
    const from = Math.max(start, extent.bytenr);
    const end = Math.min(start + length, extent.bytenr + extent.length);
    any = true;
    let logical = from;
    for (const { mirror, addr, devid, device, length: piece } of mp.space.map(from, end - from)) {
      if (copy === 0 || copy === mirror) {
        const name = device ?? 'missing';
        const line = `mirror ${mirror} logical ${logical} physical ${addr} device ${name}`;
        yield says({ mirror, logical, physical: addr, length: piece, devid, device }, [line]);
      }
      // Copies of one piece follow each other; the last one leads to the next piece.
      if (mirror === copiesAt(mp, logical)) logical += piece;
    }
  }
  if (!any) throw new WordFailure(`map-logical: No extent found at range [${start},${start + length})`);
}

/** Copies that map() gives for each piece. */
function copiesAt(mp: BtrfsMount, logical: number): number {
  const chunk = mp.space.chunks.get(logical, 1);
  return chunk.parity ? 1 : chunk.mirrors;
}

const rootid = word({
  name: 'rootid',
  count: [1, 1],
  operands: 'path',
  about: 'the tree that a path is in',
  run(context, { operands }) {
    const { id } = rootOf(context, operands[0]);
    return says({ rootid: id }, [String(id)]);
  },
});

const subvolidResolve = word({
  name: 'subvolid-resolve',
  count: [1, 1],
  operands: 'id',
  about: 'the path of a subvolume from the top of the first one',
  run(context, { operands }) {
    const mp = mountOf(context);
    const id = numberOf(operands[0] as string, 'subvolid-resolve');
    const path = findSubvolume(mp, id) === null ? null : subvolumePath(mp, id);
    if (path === null) throw new FsError('ENOENT');
    return says({ id, path }, [path]);
  },
});

export const resolveWords = [inodeResolve, logicalResolve, mapLogical, rootid, subvolidResolve] as const;
