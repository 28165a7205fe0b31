/** The line being edited, as a pure function of keys: no terminal, no image. */

export interface Line {
  readonly text: string;
  /** Position of the cursor, in UTF-16 units. */
  readonly cursor: number;
  /** What was cut last, for ctrl-y. */
  readonly cut: string;
  /** Which line of the history is shown; the number of lines means the new one. */
  readonly at: number;
  /** The new line, kept while the history is shown. */
  readonly draft: string;
}

/** A key as the terminal named it. */
export interface Key {
  readonly input: string;
  readonly name?: 'left' | 'right' | 'up' | 'down' | 'home' | 'end' | 'backspace' | 'delete' | 'enter' | 'tab';
  readonly ctrl?: boolean;
  readonly meta?: boolean;
}

export function emptyLine(history: readonly string[]): Line {
  return { text: '', cursor: 0, cut: '', at: history.length, draft: '' };
}

/** The line after a key; keys that mean nothing change nothing. */
export function editLine(line: Line, key: Key, history: readonly string[]): Line {
  const name = key.name ?? (key.ctrl ? CONTROL[key.input] : key.meta ? META[key.input] : undefined);
  const edit = name === undefined ? undefined : EDITS[name];
  if (edit !== undefined) return edit(line, history);
  if (key.ctrl || key.meta || key.input === '') return line;
  return insert(line, key.input);
}

/** The line with `text` put in at the cursor. */
export function insert(line: Line, text: string): Line {
  const { cursor } = line;
  return { ...line, text: line.text.slice(0, cursor) + text + line.text.slice(cursor), cursor: cursor + text.length };
}

/** The line with the characters from `start` to the cursor replaced. */
export function replaceBefore(line: Line, start: number, text: string): Line {
  return {
    ...line,
    text: line.text.slice(0, start) + text + line.text.slice(line.cursor),
    cursor: start + text.length,
  };
}

type Edit = (line: Line, history: readonly string[]) => Line;

const CONTROL: Record<string, string> = {
  a: 'home',
  b: 'left',
  d: 'delete',
  e: 'end',
  f: 'right',
  h: 'backspace',
  k: 'cutToEnd',
  n: 'down',
  p: 'up',
  u: 'cutToStart',
  w: 'cutWord',
  y: 'paste',
};
const META: Record<string, string> = { b: 'wordLeft', f: 'wordRight' };

const EDITS: Record<string, Edit> = {
  left: (line) => ({ ...line, cursor: previous(line) }),
  right: (line) => ({ ...line, cursor: next(line) }),
  home: (line) => ({ ...line, cursor: 0 }),
  end: (line) => ({ ...line, cursor: line.text.length }),
  wordLeft: (line) => ({ ...line, cursor: wordStart(line) }),
  wordRight: (line) => ({ ...line, cursor: wordEnd(line) }),
  backspace: (line) => replaceBefore(line, previous(line), ''),
  delete: (line) => ({ ...line, text: line.text.slice(0, line.cursor) + line.text.slice(next(line)) }),
  cutToEnd: (line) => ({ ...line, text: line.text.slice(0, line.cursor), cut: line.text.slice(line.cursor) }),
  cutToStart: (line) => ({ ...replaceBefore(line, 0, ''), cut: line.text.slice(0, line.cursor) }),
  cutWord: (line) => {
    const start = wordStart(line);
    return { ...replaceBefore(line, start, ''), cut: line.text.slice(start, line.cursor) };
  },
  paste: (line) => insert(line, line.cut),
  up: (line, history) => show(line, line.at - 1, history),
  down: (line, history) => show(line, line.at + 1, history),
};

function show(line: Line, at: number, history: readonly string[]): Line {
  if (at < 0 || at > history.length) return line;
  const draft = line.at === history.length ? line.text : line.draft;
  const text = at === history.length ? draft : (history[at] as string);
  return { ...line, text, cursor: text.length, at, draft };
}

/** A character of two UTF-16 units is one step. */
function previous({ text, cursor }: Line): number {
  if (cursor === 0) return 0;
  const low = text.charCodeAt(cursor - 1);
  return cursor - (low >= 0xdc00 && low <= 0xdfff && cursor > 1 ? 2 : 1);
}

function next({ text, cursor }: Line): number {
  return Math.min(text.length, cursor + ((text.codePointAt(cursor) ?? 0) > 0xffff ? 2 : 1));
}

function wordStart({ text, cursor }: Line): number {
  return text.slice(0, cursor).replace(/\S+\s*$/, '').length;
}

function wordEnd({ text, cursor }: Line): number {
  return cursor + (/^\s*\S*/.exec(text.slice(cursor))?.[0].length ?? 0);
}
