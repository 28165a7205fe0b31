/** property: what can be set of files, subvolumes and the file system, in the words of btrfs property. */
import { says, type WordContext, WordFailure, word } from '../../../core/vfs/word.ts';
import type { BtrfsInode } from '../inode.ts';
import { Objectid } from '../structure/key.ts';
import { isSubvolumeTop } from '../subvol/names.ts';
import { clearReceived, setReadOnly } from '../subvol/settings.ts';

/** A property, of which files it can be asked, and how. */
interface Property {
  readonly about: string;
  /** What it is a property of, as -t names it. */
  readonly type: 'inode' | 'subvol' | 'filesystem';
  applies(ip: BtrfsInode): boolean;
  /** Null: not set. */
  get(ip: BtrfsInode): string | null;
  set(ip: BtrfsInode, value: string, force: boolean): void;
}

const PROPERTIES: Readonly<Record<string, Property>> = {
  ro: {
    about: 'read-only status of a subvolume',
    type: 'subvol',
    applies: isSubvolumeTop,
    get: ({ root }) => String(root.readOnly),
    set({ root }, value, force) {
      if (value !== 'true' && value !== 'false')
        throw new WordFailure(`property: invalid value for property: ${value}`);
      const received = root.item?.received_uuid.some((byte) => byte !== 0) === true;
      if (value === 'false' && root.readOnly && received) {
        if (!force) throw new WordFailure('property: cannot flip ro->rw with received_uuid set, use force option -f');
        clearReceived(root);
      }
      setReadOnly(root, value === 'true');
    },
  },
  label: {
    about: 'label of the filesystem',
    type: 'filesystem',
    applies: (ip) => isSubvolumeTop(ip) && ip.root.id === Objectid.FS_TREE,
    get: ({ fs }) => fs.label?.() ?? '',
    set: ({ fs }, value) => fs.setLabel?.(value),
  },
  compression: {
    about: 'compression algorithm for the file or directory',
    type: 'inode',
    applies: ({ kind }) => kind === 'file' || kind === 'dir',
    get(ip) {
      const value = ip.getXattr('btrfs', 'compression');
      return value === null ? null : Buffer.from(value).toString('latin1');
    },
    set(ip, value) {
      if (value === '') ip.removeXattr('btrfs', 'compression');
      else ip.setXattr('btrfs', 'compression', Buffer.from(value, 'latin1'));
    },
  },
};

export const property = word({
  name: 'property',
  alias: 'prop',
  operands: 'get path [name] | set path name value | list path',
  about: 'properties of files, subvolumes and the file system: ro, label, compression',
  options: {
    f: { about: 'set: make a received subvolume writable too' },
    t: { value: 'type', kind: 'text', about: 'only those of an inode, subvol or filesystem' },
  },
  run(context, { options, operands }) {
    const [action, path, name, value] = operands;
    if (path === undefined) throw context.usage();
    if (action === 'get' && operands.length <= 3) return get(context, path, name, options.t);
    if (action === 'list' && operands.length === 2) return list(context, path, options.t);
    if (action === 'set' && name !== undefined && value !== undefined && operands.length === 4) {
      const ip = context.lookup(path) as BtrfsInode;
      applicable(ip, name, path).set(ip, value, options.f);
      return says({ path, name, value }, []);
    }
    throw context.usage();
  },
});

function applicable(ip: BtrfsInode, name: string, path: string): Property {
  const found = PROPERTIES[name];
  if (found === undefined) throw new WordFailure(`property: unknown property: ${name}`);
  if (!found.applies(ip)) throw new WordFailure(`property: object is not applicable to property: ${path}`);
  return found;
}

/** The properties of a type, which may be abbreviated; all where none is named. @throws WordFailure */
function ofType(type: string | undefined): [string, Property][] {
  const all = Object.entries(PROPERTIES);
  if (type === undefined) return all;
  if (!['inode', 'subvol', 'filesystem', 'device'].some((each) => type !== '' && each.startsWith(type)))
    throw new WordFailure(`property: invalid object type: ${type}`);
  return all.filter(([, property]) => property.type.startsWith(type));
}

function get(context: WordContext, path: string, name: string | undefined, type: string | undefined) {
  const ip = context.lookup(path) as BtrfsInode;
  const wanted = name === undefined ? ofType(type) : [[name, applicable(ip, name, path)] as const];
  const values: [string, string][] = [];
  for (const [key, each] of wanted) {
    const value = each.applies(ip) ? each.get(ip) : null;
    if (value !== null) values.push([key, value]);
  }
  return says(
    { path, properties: Object.fromEntries(values) },
    values.map(([key, value]) => `${key}=${value}`),
  );
}

function list(context: WordContext, path: string, type: string | undefined) {
  const ip = context.lookup(path) as BtrfsInode;
  const found = ofType(type).filter(([, each]) => each.applies(ip));
  return says(
    { path, properties: found.map(([key, { about }]) => ({ name: key, about })) },
    found.map(([key, { about }]) => `${key.padEnd(20)}${about}`),
  );
}
