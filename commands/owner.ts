/**
 * Owners as chown takes them: numbers, or names of the image's own /etc/passwd and /etc/group. The host's names are not
 * asked: its numbers are not those of the system whose disk this is.
 */
import { FsError } from '../core/errors.ts';
import { openFile } from '../core/vfs/file.ts';
import type { Filesystem } from '../core/vfs/filesystem.ts';
import { CommandFailure } from './failure.ts';

/** The largest number: the next one means "leave it" to chown(2). */
const MOST = 0xfffffffe;
/** A file of names beyond this is not read. */
const LARGEST = 2 ** 24;

/** What is to be changed; absent: left alone. */
interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/** The owner that `USER`, `USER:GROUP`, `:GROUP` or `USER:` (its login group) means; null if it is none of these. @throws CommandFailure for an unknown name */
export function parseOwner(fs: Filesystem, word: string): Owner | null {
  const match = /^([^:]*)(?:(:)([^:]*))?$/.exec(word);
  if (match === null || word === '') return null;
  const [, user = '', colon, group = ''] = match;
  const uid = user === '' ? undefined : numberOf(fs, user, 'user');
  const ofGroup = group === '' ? undefined : numberOf(fs, group, 'group');
  const gid = ofGroup ?? (colon !== undefined && user !== '' && group === '' ? loginGroup(fs, user) : undefined);
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
}

function numberOf(fs: Filesystem, word: string, kind: 'user' | 'group'): number {
  const entry = find(fs, kind, (fields) => fields[0] === word);
  const text = entry?.[2] ?? word;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= MOST) return value;
  throw new CommandFailure(`chown: invalid ${kind}: ${word}`, { code: 'EINVAL' });
}

function loginGroup(fs: Filesystem, word: string): number {
  const entry = find(fs, 'user', (fields) => fields[0] === word || fields[2] === word);
  if (entry !== null) return Number(entry[3]);
  throw new CommandFailure(`chown: invalid user: ${word}:`, { code: 'EINVAL' });
}

/** The first line of the image's file of such names for which `matches`; null without one, or without the file. */
function find(fs: Filesystem, kind: 'user' | 'group', matches: (fields: readonly string[]) => boolean) {
  for (const line of linesOf(fs, kind === 'user' ? '/etc/passwd' : '/etc/group')) {
    const fields = line.split(':');
    if (fields.length >= 4 && /^\d+$/.test(fields[2] as string) && matches(fields)) return fields;
  }
  return null;
}

function linesOf(fs: Filesystem, path: string): string[] {
  try {
    const file = openFile(fs, fs.root(), path, {});
    try {
      const { size, kind } = file.inode;
      if (kind !== 'file' || size > LARGEST) return [];
      const bytes = Buffer.alloc(size);
      return bytes.toString('utf8', 0, file.read(0, bytes)).split('\n');
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof FsError && ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code)) return [];
    throw error;
  }
}
