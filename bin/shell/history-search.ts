/** Ctrl-R: the line that was entered before and holds what is typed, as shells search it; pure, like the line editor. */
import type { Key, Line } from './line-editor.ts';

export interface Search {
  /** What is looked for. */
  readonly query: string;
  /** Nothing older holds it. */
  readonly failed: boolean;
  /** The line as it was before. */
  readonly before: Line;
}

/** What a key makes of a search: the line to show, and the search, or null where it ends. */
export interface SearchStep {
  readonly search: Search | null;
  readonly line: Line;
  /** The key ends the search and means what it always does. */
  readonly again: boolean;
}

export function beginSearch(line: Line): Search {
  return { query: '', failed: false, before: line };
}

/** The search after a key: ctrl-r goes on to an older line, ctrl-g gives up; what moves or edits keeps what was found. */
export function searchKey(search: Search, line: Line, key: Key, history: readonly string[]): SearchStep {
  const { query, before } = search;
  if (key.ctrl && key.input === 'g') return { search: null, line: before, again: false };
  if (key.ctrl && key.input === 'r') return find(search, line, query, line.at - 1, history);
  if (key.name === 'backspace' || (key.ctrl && key.input === 'h'))
    return find(search, before, [...query].slice(0, -1).join(''), history.length - 1, history);
  if (key.name !== undefined || key.ctrl || key.meta) return { search: null, line, again: true };
  if (key.input === '') return { search: null, line, again: false };
  return find(search, line, query + key.input, line.at, history);
}

/** The newest line from `from` backward that holds `query`. */
function find(search: Search, line: Line, query: string, from: number, history: readonly string[]): SearchStep {
  const { before } = search;
  if (query === '') return { search: { ...search, query, failed: false }, line: before, again: false };
  for (let at = Math.min(from, history.length - 1); at >= 0; at--) {
    const text = history[at] as string;
    const cursor = text.lastIndexOf(query);
    if (cursor < 0) continue;
    const found = { ...line, text, cursor, at, draft: before.text };
    return { search: { query, failed: false, before }, line: found, again: false };
  }
  return { search: { query, failed: true, before }, line, again: false };
}
