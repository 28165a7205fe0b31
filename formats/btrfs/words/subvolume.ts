/** subvolume: list, show, create, delete, snapshot, get-default, set-default, in the words of btrfs subvolume. */
import { FsError } from '../../../core/errors.ts';
import { says, type WordContext, WordFailure, word } from '../../../core/vfs/word.ts';
import type { BtrfsInode } from '../inode.ts';
import { subvolumePath } from '../inspect/paths.ts';
import { type SubvolumeInfo, subvolumeInfo, subvolumes } from '../inspect/subvolumes.ts';
import type { BtrfsMount } from '../mount.ts';
import { Objectid } from '../structure/key.ts';
import { createSnapshot, createSubvolume } from '../subvol/create.ts';
import { deleteNamed } from '../subvol/delete.ts';
import { isSubvolumeTop } from '../subvol/names.ts';
import { setDefaultSubvolume } from '../subvol/settings.ts';
import { defaultSubvolume, findSubvolume, placeOf } from '../subvolume.ts';
import type { TreeRoot } from '../tree/root.ts';
import { findNew } from './find-new.ts';
import { mountOf } from './mount-of.ts';
import { groupOf } from './qgroup.ts';
import { sizeText, UNIT_OPTIONS, type Units, unitsOf } from './sizes.ts';

interface Flags {
  readonly [letter: string]: boolean | number | string | undefined;
}

export const subvolume = word({
  name: 'subvolume',
  alias: 'subvol',
  operands:
    'list | show path | create path | delete path... | snapshot [-r] from to | get-default | set-default id|path | find-new path generation',
  about: 'subvolumes and snapshots',
  options: {
    ...UNIT_OPTIONS,
    C: { value: 'value', kind: 'text', about: 'list: only those of this generation of making, or +from, -up to it' },
    G: { value: 'value', kind: 'text', about: 'list: only those of this generation, or +from, -up to it' },
    a: { about: 'list: paths of those that the opened one does not hold begin with <FS_TREE>' },
    c: { about: 'list: generation of their making' },
    d: { about: 'list: deleted ones that are not cleaned up' },
    g: { about: 'list: generation (always); show: sizes in GiB, or GB' },
    i: { value: 'id', kind: 'text', about: 'delete: the subvolume with this id' },
    o: { about: 'list: only those that the opened one holds' },
    p: { about: 'list: parent' },
    q: { about: 'list: uuid of what it is a snapshot of' },
    R: { about: 'list: uuid of what was received' },
    r: { about: 'list: only read-only ones; snapshot: make it read-only; show: the subvolume with this id' },
    s: { about: 'list: only snapshots' },
    t: { about: 'list: as a table; show: sizes in TiB, or TB' },
    u: { about: 'list: uuid; show: the subvolume with this uuid' },
    rootid: { value: 'id', kind: 'text', about: 'show: the subvolume with this id' },
    uuid: { value: 'uuid', kind: 'text', about: 'show: the subvolume with this uuid' },
    sort: { value: 'keys', kind: 'text', about: 'list: by gen, ogen, rootid or path, - before one for the other way' },
  },
  run(context, { options, operands }) {
    const [action, ...words] = operands;
    switch (action) {
      case 'list':
        return list(context, options);
      case 'show':
        return show(context, words[0], options);
      case 'find-new':
        return newer(context, words);
      case 'create':
        return each(words, context, (path) => create(context, path));
      case 'delete':
        return options.i === undefined
          ? each(words, context, (path) => remove(context, path))
          : removeById(context, options.i);
      case 'snapshot':
        return snapshot(context, words, options.r);
      case 'get-default':
        return getDefault(mountOf(context));
      case 'set-default':
        return setDefault(context, words[0]);
      default:
        throw context.usage();
    }
  },
});

function* each<R>(words: readonly string[], context: WordContext, act: (path: string) => R): Generator<R> {
  if (words.length === 0) throw context.usage();
  for (const path of words) yield act(path);
}

/** One column: its heading, its label in a line, its value. */
interface Column {
  readonly heading: string;
  readonly label: string;
  value(info: SubvolumeInfo): string;
}

const uuidColumn = (text: string | null): string => text ?? '-'.padEnd(36);

function columns(flags: Flags): Column[] {
  const all: readonly [boolean, string, string, (info: SubvolumeInfo) => string][] = [
    [true, 'ID', 'ID', ({ id }) => String(id)],
    [true, 'gen', 'gen', ({ generation }) => String(generation)],
    [Boolean(flags.c || flags.s || flags.C), 'cgen', 'cgen', ({ otransid }) => String(otransid)],
    [Boolean(flags.p), 'parent', 'parent', ({ parent }) => String(parent)],
    [true, 'top level', 'top level', ({ parent }) => String(parent)],
    [Boolean(flags.s), 'otime', 'otime', ({ otime }) => otime ?? '-'],
    [Boolean(flags.q), 'parent_uuid', 'parent_uuid', ({ parentUuid }) => uuidColumn(parentUuid)],
    [Boolean(flags.R), 'received_uuid', 'received_uuid', ({ receivedUuid }) => uuidColumn(receivedUuid)],
    [Boolean(flags.u), 'uuid', 'uuid', ({ uuid }) => uuidColumn(uuid)],
  ];
  return all.filter(([wanted]) => wanted).map(([, heading, label, value]) => ({ heading, label, value }));
}

function* list(context: WordContext, flags: Flags) {
  const mp = mountOf(context);
  const top = (context.fs.root() as BtrfsInode).root.id;
  const shown = sorted(
    [...subvolumes(mp, false)].filter((info) => listed(info, flags, top)),
    String(flags.sort ?? ''),
  );
  const cells = columns(flags);
  if (flags.t) {
    const headings = [...cells.map(({ heading }) => heading), 'path'];
    yield says({ columns: headings }, [
      `${headings.join('\t')}\t`,
      `${headings.map((heading) => '-'.repeat(heading.length)).join('\t')}\t`,
    ]);
  }
  for (const info of shown) {
    const path = pathOf(info, flags, top);
    // btrfs-progs leaves more room behind this column than its heading has.
    const line = flags.t
      ? [...cells.map(({ label, value }) => value(info) + (label === 'top level' ? '\t' : '')), path].join('\t')
      : [...cells.map(({ label, value }) => `${label} ${value(info)}`), `path ${path}`].join(' ');
    yield says({ ...info }, [line]);
  }
}

function listed(info: SubvolumeInfo, flags: Flags, top: number): boolean {
  if (info.deleted !== Boolean(flags.d)) return false;
  if (flags.r && !info.readOnly) return false;
  if (flags.s && info.parentUuid === null) return false;
  if (!within(flags.G, info.generation) || !within(flags.C, info.otransid)) return false;
  return !flags.o || info.parent === top;
}

/** True if a value is the wanted one; at least that after a `+`, at most after a `-`. @throws WordFailure */
function within(wanted: Flags[string], value: number): boolean {
  if (wanted === undefined) return true;
  const match = /^([+-]?)(\d+)$/.exec(String(wanted));
  if (match === null) throw new WordFailure(`subvolume: ${wanted} is not a generation`);
  const limit = Number(match[2]);
  if (match[1] === '+') return value >= limit;
  return match[1] === '-' ? value <= limit : value === limit;
}

function pathOf(info: SubvolumeInfo, flags: Flags, top: number): string {
  if (info.deleted || info.path === null) return 'DELETED';
  return flags.a && info.parent !== top ? `<FS_TREE>/${info.path}` : info.path;
}

const SORTS: Readonly<Record<string, (a: SubvolumeInfo, b: SubvolumeInfo) => number>> = {
  gen: (a, b) => a.generation - b.generation,
  ogen: (a, b) => a.otransid - b.otransid,
  rootid: (a, b) => a.id - b.id,
  path: (a, b) => ((a.path ?? '') < (b.path ?? '') ? -1 : 1),
};

function sorted(all: SubvolumeInfo[], keys: string): SubvolumeInfo[] {
  if (keys === '') return all;
  const orders = keys.split(',').map((key) => {
    const compare = SORTS[key.replace(/^[+-]/, '')];
    if (compare === undefined) throw new WordFailure(`subvolume: unknown sort key: ${key}`);
    return key.startsWith('-') ? (a: SubvolumeInfo, b: SubvolumeInfo) => compare(b, a) : compare;
  });
  return all.sort((a, b) => orders.reduce((found, order) => found || order(a, b), 0));
}

/** The subvolume whose root directory is at a path. @throws WordFailure */
function subvolumeAt(context: WordContext, path: string): BtrfsInode {
  const ip = context.lookup(path) as BtrfsInode;
  if (!isSubvolumeTop(ip)) throw new WordFailure(`subvolume: not a subvolume: ${path}`);
  return ip;
}

/** The subvolume that is meant by id, uuid or path. @throws WordFailure, FsError ENOENT */
function meant(context: WordContext, first: string | undefined, flags: Flags): TreeRoot {
  const mp = mountOf(context);
  const id = flags.rootid ?? (flags.r ? first : undefined);
  if (id !== undefined) return rootById(mp, String(id));
  const uuid = flags.uuid ?? (flags.u ? first : undefined);
  if (uuid === undefined) return subvolumeAt(context, first ?? '.').root;
  const found = [...subvolumes(mp, true)].find((info) => info.uuid === String(uuid).toLowerCase());
  if (found === undefined) throw new FsError('ENOENT', { path: String(uuid) });
  return mp.root(found.id);
}

/** Extents since a generation. */
function newer(context: WordContext, [path, text, ...rest]: readonly string[]) {
  if (path === undefined || text === undefined || rest.length > 0 || !/^\d+$/.test(text)) throw context.usage();
  return findNew(subvolumeAt(context, path).root, Number(text));
}

function show(context: WordContext, first: string | undefined, flags: Flags) {
  const mp = mountOf(context);
  const root = meant(context, first, flags);
  const info = subvolumeInfo(mp, root);
  const top = info.id === Objectid.FS_TREE;
  const snapshots = [...subvolumes(mp, true)]
    .filter(({ parentUuid, path: at }) => parentUuid !== null && parentUuid === info.uuid && at !== null)
    .map(({ path: at }) => at as string);
  const zone = zoneText();
  const time = (text: string | null): string => (text === null ? '-' : `${text} ${zone}`);
  const rows: readonly (readonly [string, string])[] = [
    ['Name: \t\t', top ? '<FS_TREE>' : info.name],
    ['UUID: \t\t', info.uuid ?? '-'],
    ['Parent UUID: \t', info.parentUuid ?? '-'],
    ['Received UUID: \t', info.receivedUuid ?? '-'],
    ['Creation time: \t', time(info.otime)],
    ['Subvolume ID: \t', String(info.id)],
    ['Generation: \t', String(info.generation)],
    ['Gen at creation:', String(info.otransid)],
    ['Parent ID: \t', String(info.parent)],
    ['Top level ID: \t', String(info.parent)],
    ['Flags: \t\t', info.readOnly ? 'readonly' : '-'],
    ['Send transid: \t', String(info.stransid)],
    // btrfs-progs prints the time of creation here, whatever was sent; the data tell the truth.
    ['Send time: \t', time(info.otime)],
    ['Receive transid:', String(info.rtransid)],
    ['Receive time: \t', time(info.rtime)],
  ];
  const lines = rows.map(([label, value]) => `\t${label}${label.endsWith(':') ? ' ' : ''}\t${value}`);
  const group = groupOf(mp, info.id);
  return says({ ...info, name: top ? '<FS_TREE>' : info.name, snapshots, qgroup: group }, [
    top ? '/' : (info.path ?? ''),
    ...lines,
    '\tSnapshot(s):',
    ...snapshots.map((at) => `\t\t\t\t${at}`),
    ...(group === null ? [] : groupLines(group, unitsOf(flags))),
  ]);
}

function groupLines(group: NonNullable<ReturnType<typeof groupOf>>, units: Units): string[] {
  const size = (value: number): string => sizeText(value, units);
  const limit = (value: number | null): string => (value === null ? '-' : size(value));
  return [
    `\tQuota group:\t\t${group.qgroupid}`,
    `\t  Limit referenced:\t${limit(group.maxReferenced)}`,
    `\t  Limit exclusive:\t${limit(group.maxExclusive)}`,
    `\t  Usage referenced:\t${size(group.referenced)}`,
    `\t  Usage exclusive:\t${size(group.exclusive)}`,
  ];
}

/** The local zone as strftime's %z. */
function zoneText(): string {
  const minutes = -new Date().getTimezoneOffset();
  const sign = minutes < 0 ? '-' : '+';
  const two = (value: number): string => String(Math.abs(value)).padStart(2, '0');
  return `${sign}${two(Math.trunc(minutes / 60))}${two(minutes % 60)}`;
}

function rootById(mp: BtrfsMount, text: string): TreeRoot {
  const root = /^\d+$/.test(text) ? findSubvolume(mp, Number(text)) : null;
  if (root === null) throw new FsError('ENOENT', { path: text });
  return root;
}

interface Target {
  readonly dir: BtrfsInode;
  readonly folder: string;
  readonly name: string;
}

/** The directory and the name that a path means. @throws FsError, WordFailure */
function targetOf(context: WordContext, path: string): Target {
  const trimmed = path.replace(/\/+$/, '');
  const slash = trimmed.lastIndexOf('/');
  const folder = slash < 0 ? '.' : trimmed.slice(0, slash) || '/';
  const name = trimmed.slice(slash + 1);
  if (name === '' || name === '.' || name === '..') throw new WordFailure(`subvolume: invalid subvolume name: ${name}`);
  return { dir: context.lookup(folder) as BtrfsInode, folder, name };
}

function create(context: WordContext, path: string) {
  const { dir, folder, name } = targetOf(context, path);
  const top = createSubvolume(dir, name, 0o777);
  return says({ id: top.root.id, path }, [`Create subvolume '${folder}/${name}'`]);
}

function remove(context: WordContext, path: string) {
  const top = subvolumeAt(context, path);
  const { dir, folder, name } = targetOf(context, path);
  deleteNamed(dir, name, top);
  return says({ id: top.root.id, path }, [`Delete subvolume (no-commit): '${folder}/${name}'`]);
}

function removeById(context: WordContext, text: string) {
  const mp = mountOf(context);
  const root = rootById(mp, text);
  const place = placeOf(mp, root.id);
  if (place === null) throw new FsError('EPERM', { path: text });
  const path = subvolumePath(mp, root.id) ?? '';
  const dir = mp.inodes.get(mp.root(place.parent), place.dirid);
  deleteNamed(dir, place.name, mp.inodes.get(root, Objectid.FIRST_FREE));
  return says({ id: root.id, path }, [`Delete subvolume (no-commit): '/${path}'`]);
}

function snapshot(context: WordContext, words: readonly string[], readOnly: boolean) {
  const [from, to] = words;
  if (from === undefined || to === undefined || words.length > 2) throw context.usage();
  const source = subvolumeAt(context, from);
  const target = snapshotTarget(context, to, from);
  const top = createSnapshot(target.dir, target.name, source.root, readOnly);
  const what = readOnly ? 'readonly snapshot' : 'snapshot';
  return says({ id: top.root.id, source: source.root.id, readOnly }, [
    `Create a ${what} of '${from}' in '${target.folder}/${target.name}'`,
  ]);
}

/** The new name, or the source's own name in a directory that is there. */
function snapshotTarget(context: WordContext, to: string, from: string): Target {
  let there: BtrfsInode | null = null;
  try {
    there = context.lookup(to) as BtrfsInode;
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'ENOENT') throw error;
  }
  if (there === null) return targetOf(context, to);
  if (there.kind !== 'dir') throw new WordFailure(`subvolume: '${to}' exists and it is not a directory`);
  const name = from.replace(/\/+$/, '').split('/').at(-1) ?? '';
  if (name === '' || name === '.' || name === '..') throw new WordFailure(`subvolume: invalid snapshot name: ${name}`);
  return { dir: there, folder: to, name };
}

function getDefault(mp: BtrfsMount) {
  const id = defaultSubvolume(mp);
  if (id === Objectid.FS_TREE) return says({ id }, ['ID 5 (FS_TREE)']);
  const info = subvolumeInfo(mp, mp.root(id));
  const line = `ID ${id} gen ${info.generation} top level ${info.parent} path ${info.path ?? 'DELETED'}`;
  return says({ ...info }, [line]);
}

function setDefault(context: WordContext, text: string | undefined) {
  if (text === undefined) throw context.usage();
  const mp = mountOf(context);
  const id = /^\d+$/.test(text) ? Number(text) || Objectid.FS_TREE : subvolumeAt(context, text).root.id;
  setDefaultSubvolume(mp, id);
  return says({ id }, []);
}
