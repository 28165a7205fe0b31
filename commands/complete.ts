/** What a half-typed line could become: command names, paths in the image, paths on the host. */
import { readdirSync } from 'node:fs';
import { FsError } from '../core/errors.ts';
import { findCommand, listCommands } from './registry.ts';
import type { Session } from './session.ts';
import { quoteWord, splitLine } from './words.ts';

/** Replacements for the characters of the line from `start` to its end. */
export interface Completion {
  readonly start: number;
  /** Whole words, a directory with its slash, quoted where needed. */
  readonly candidates: readonly string[];
}

interface Name {
  readonly name: string;
  readonly directory: boolean;
}

/** How the last word of `line` could go on; no candidates when nothing is known or the image cannot be read. */
export function complete(session: Session, line: string): Completion {
  const word = /(?:"[^"]*|'[^']*|\S*)$/.exec(line)?.[0] ?? '';
  const start = line.length - word.length;
  const before = splitLine(line.slice(0, start));
  const typed = word.replace(/^["']/, '');
  const [name] = before;
  if (name === undefined) {
    const names = listCommands(session).map((spec) => spec.name);
    return { start, candidates: names.filter((known) => known.startsWith(typed)) };
  }
  if (name === 'help' || name === '?') {
    const names = listCommands(session).map((spec) => spec.name);
    return { start, candidates: names.filter((known) => known.startsWith(typed)) };
  }
  const kind = findCommand(session, name)?.completes;
  if (kind === undefined || typed.startsWith('-')) return { start, candidates: [] };
  const where = kind === 'host' && (name !== 'put' || operandsOf(before) === 0) ? hostNames : imageNames;
  return { start, candidates: paths(session, typed, where).map(quoteWord) };
}

function operandsOf(before: readonly string[]): number {
  return before.slice(1).filter((word) => !word.startsWith('-')).length;
}

function paths(session: Session, typed: string, names: (session: Session, dir: string) => Name[]): string[] {
  const slash = typed.lastIndexOf('/') + 1;
  const [dir, prefix] = [typed.slice(0, slash), typed.slice(slash)];
  return names(session, dir === '' ? '.' : dir)
    .filter(({ name }) => name.startsWith(prefix) && (prefix !== '' || !name.startsWith('.')))
    .map(({ name, directory }) => `${dir}${name}${directory ? '/' : ''}`)
    .sort();
}

function imageNames(session: Session, path: string): Name[] {
  try {
    const dir = session.lookup(path, { follow: true });
    const found: Name[] = [];
    for (const entry of dir.entries()) {
      const { name, kind } = entry;
      if (name === '.' || name === '..') continue;
      found.push({ name, directory: (kind ?? dir.childOf(entry).kind) === 'dir' });
    }
    return found;
  } catch (error) {
    if (error instanceof FsError) return [];
    throw error;
  }
}

function hostNames(_session: Session, path: string): Name[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, directory: entry.isDirectory() }));
  } catch {
    return [];
  }
}
