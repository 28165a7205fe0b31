/** attr: extended attributes of a path, or of the open file. Names carry their namespace: user.comment. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { hostError } from '../core/device/host-error.ts';
import { FsError } from '../core/errors.ts';
import type { Inode, XattrMode, XattrNamespace } from '../core/vfs/inode.ts';
import { command, usage } from './command.ts';
import { CommandFailure, perror } from './failure.ts';
import type { Session } from './session.ts';

interface Listed {
  readonly path: string;
  /** With their namespaces; sizes of values in bytes. */
  readonly names: readonly { readonly name: string; readonly size: number }[];
}

interface Value {
  readonly path: string;
  readonly name: string;
  /** With --json as base64. */
  readonly value: Uint8Array;
  readonly encoding: Encoding;
}

export const attr = command({
  name: 'attr',
  count: [1, Number.POSITIVE_INFINITY],
  operands: 'list [path] | get name [path] | set name [value] [path] | remove name [path]',
  about: 'list, read, set and remove extended attributes',
  help: `Names begin with their namespace: user., trusted., security. or system. Without a path the open file is meant.`,
  options: {
    c: { about: 'set: the attribute must be new' },
    e: {
      value: 'encoding',
      kind: 'text',
      about: 'set, get: the value is written as text (the default), hex or base64',
    },
    f: { value: 'file', kind: 'text', about: 'set: the value is what this host file holds' },
    r: { about: 'set: the attribute must be there' },
  },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands }): Listed | Value | undefined {
    const [action, ...words] = operands;
    const encoding = encodingOf(options.e);
    if (action === 'list') {
      if (words.length > 1) throw usage(attr);
      const [path, inode] = subject(session, words[0], false);
      return {
        path,
        names: inode.listXattrs().map(({ namespace, name, size }) => ({ name: `${namespace}.${name}`, size })),
      };
    }
    const [full, ...rest] = words;
    if (full === undefined) throw usage(attr);
    const [namespace, name] = splitName(full);
    if (action === 'get' && rest.length <= 1) {
      const [path, inode] = subject(session, rest[0], false);
      const value = inode.getXattr(namespace, name);
      if (value === null) throw new FsError('ENODATA', { path: full });
      return { path, name: full, value, encoding };
    }
    if (action === 'remove' && rest.length <= 1) {
      subject(session, rest[0], true)[1].removeXattr(namespace, name);
      return undefined;
    }
    const given = options.f === undefined ? decoded(rest.shift() ?? '', encoding) : hostBytes(options.f);
    if (action !== 'set' || rest.length > 1 || (options.c && options.r)) throw usage(attr);
    const mode: XattrMode = options.c ? 'create' : options.r ? 'replace' : 'any';
    subject(session, rest[0], true)[1].setXattr(namespace, name, given, mode);
    return undefined;
  },
  text(result, out) {
    if ('names' in result) for (const { name } of result.names) out.write(`${name}\n`);
    else {
      if (result.encoding === 'text') out.bytes(result.value);
      else out.write(Buffer.from(result.value).toString(result.encoding));
      out.write('\n');
    }
  },
  json: (result) =>
    'names' in result
      ? { command: 'attr', path: result.path, names: result.names }
      : { command: 'attr', path: result.path, name: result.name, value: Buffer.from(result.value).toString('base64') },
});

type Encoding = 'text' | 'hex' | 'base64';

function encodingOf(word = 'text'): Encoding {
  if (word === 'text' || word === 'hex' || word === 'base64') return word;
  throw new CommandFailure(`attr: unknown encoding ${word}: text, hex or base64`, { code: 'EINVAL' });
}

/** A value as given on the line; `0x` and `0s` may stand before hex and base64, as setfattr wants it. @throws CommandFailure */
function decoded(word: string, encoding: Encoding): Uint8Array {
  if (encoding === 'text') return Buffer.from(word, 'utf8');
  const digits = word.replace(encoding === 'hex' ? /^0[xX]/ : /^0[sS]/, '');
  const whole = encoding === 'hex' ? /^([0-9a-fA-F]{2})*$/ : /^[A-Za-z0-9+/]*={0,2}$/;
  if (!whole.test(digits)) throw new CommandFailure(`attr: ${word} is not ${encoding}`, { code: 'EINVAL' });
  return Buffer.from(digits, encoding);
}

/** The path as given and its inode; changes are refused under -r. */
function subject(session: Session, path: string | undefined, change: boolean): readonly [string, Inode] {
  const named = path ?? session.file().name;
  if (change && (session.readOnly || session.mount().fs.readOnly)) throw new FsError('EROFS', { path: named });
  return [named, path === undefined ? session.file().inode : session.lookup(path, { follow: false })];
}

const NAMESPACES: readonly XattrNamespace[] = ['user', 'trusted', 'security', 'system', 'btrfs'];

function splitName(full: string): readonly [XattrNamespace, string] {
  const namespace = NAMESPACES.find((known) => full.startsWith(`${known}.`));
  if (namespace === undefined) throw new FsError('EOPNOTSUPP', { path: full });
  return [namespace, full.slice(namespace.length + 1)];
}

function hostBytes(path: string): Uint8Array {
  try {
    const fd = openSync(path, 'r');
    try {
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw perror(path, hostError(error, path));
  }
}
