/** ls: the entries of a directory, for people and for programs. */
import type { Inode, Timestamp } from '../core/vfs/inode.ts';
import { command } from './command.ts';
import { Complaints, sortedEntries } from './complaints.ts';
import { type Entry, entryOf, writeEntry } from './entry.ts';
import { modeText } from './mode.ts';
import type { Session } from './session.ts';
import { right, type TextSink } from './text.ts';
import { childPath } from './tidy-path.ts';

interface Listing {
  readonly style: 'names' | 'long' | 'fields';
  /** Set where several paths are listed: the path above its entries. */
  readonly title: string | null;
  readonly first: boolean;
  readonly entries: readonly Entry[];
  readonly names: readonly string[];
}

export const ls = command({
  name: 'ls',
  operands: '[path...]',
  about: 'list a directory of the image',
  help: `-p prints for each entry: inode, mode (octal), links, uid, gid, size, 512-byte blocks, atime, mtime, ctime, name.`,
  options: {
    l: { about: 'with mode, links, owner, size and time' },
    p: { about: 'one line of fields for programs' },
  },
  needs: 'image',
  once: true,
  completes: 'path',
  *run(session, { options, operands }): Generator<Listing> {
    const paths = operands.length > 0 ? operands : [session.cwd];
    const style = options.p ? 'fields' : options.l ? 'long' : 'names';
    const complaints = new Complaints();
    for (const [i, path] of paths.entries()) {
      const inode = session.lookup(path, { follow: style === 'names' });
      const title = paths.length > 1 ? path : null;
      const dir = inode.kind === 'symlink' ? followToDirectory(session, path) : inode;
      if (dir?.kind === 'dir') yield { style, title, first: i === 0, ...listDirectory(dir, path, style, complaints) };
      else yield { style, title: null, first: i === 0, names: [path], entries: [entryOf(inode, path)] };
    }
    complaints.raise();
  },
  text(listing, out) {
    if (listing.title !== null) out.write(`${listing.first ? '' : '\n'}${listing.title}:\n`);
    if (listing.style === 'names') for (const name of listing.names) out.write(`${name}\n`);
    else if (listing.style === 'fields') for (const entry of listing.entries) writeEntry(entry, out);
    else writeLong(listing.entries, out);
  },
  json: ({ title, style, names, entries }) => ({
    command: 'ls',
    ...(title === null ? {} : { path: title }),
    entries: style === 'names' ? names : entries.map(({ name, stat, target }) => ({ name, ...stat, target })),
  }),
});

/** As ls(1) does for a link that is named with a trailing slash or points to a directory. */
function followToDirectory(session: Session, path: string): Inode | null {
  return path.endsWith('/') ? session.lookup(path, { follow: true }) : null;
}

/** The entries of a directory; an inode that is damaged does not hide the others. */
function listDirectory(
  dir: Inode,
  path: string,
  style: Listing['style'],
  complaints: Complaints,
): { names: string[]; entries: Entry[] } {
  const found = sortedEntries(dir, `ls: ${path}`, complaints);
  const entries: Entry[] = [];
  for (const entry of style === 'names' ? [] : found) {
    const label = `ls: ${childPath(path, entry.name)}`;
    const whole = complaints.attempt(label, () => entryOf(dir.childOf(entry), entry.name));
    if (whole !== null) entries.push(whole);
  }
  return { names: found.map(({ name }) => name), entries };
}

/** Date and time in UTC; seconds since 1970 where no calendar reaches. */
function dateText({ seconds }: Timestamp): string {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? `@${seconds}` : date.toISOString().slice(0, -5).replace('T', ' ');
}

function writeLong(entries: readonly Entry[], out: TextSink): void {
  const rows = entries.map(({ stat, name, target }) => [
    String(stat.nlink),
    String(stat.uid),
    String(stat.gid),
    stat.rdev === null ? String(stat.size) : `${stat.rdev.major}, ${stat.rdev.minor}`,
    dateText(stat.mtime),
    target === null ? name : `${name} -> ${target}`,
  ]);
  const width = (column: number) => Math.max(0, ...rows.map((row) => (row[column] as string).length));
  const widths = [0, 1, 2, 3].map(width);
  for (const [i, row] of rows.entries()) {
    const numbers = widths.map((wide, column) => right(row[column] as string, wide)).join(' ');
    out.write(`${modeText((entries[i] as Entry).stat)} ${numbers} ${row[4]} ${row[5]}\n`);
  }
}
