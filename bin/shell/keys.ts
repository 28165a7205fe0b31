/** From what ink reports of the terminal to the keys of the line editor. */
import type { Key } from './line-editor.ts';

/** The part of ink's Key that is looked at. */
export interface InkKey {
  readonly leftArrow: boolean;
  readonly rightArrow: boolean;
  readonly upArrow: boolean;
  readonly downArrow: boolean;
  readonly return: boolean;
  readonly tab: boolean;
  readonly backspace: boolean;
  readonly delete: boolean;
  readonly ctrl: boolean;
  readonly meta: boolean;
  readonly home?: boolean;
  readonly end?: boolean;
}

/**
 * The keys in one piece of input. Ink takes a piece for one key; when typing is fast, or text is pasted, it holds
 * many, with the control characters among them as the terminal sent them.
 */
export function keysOf(input: string, key: InkKey): Key[] {
  const name = nameOf(input, key);
  if (name !== undefined) return [{ input: '', name }];
  if (key.ctrl || key.meta || input.length <= 1) return [{ input, ctrl: key.ctrl, meta: key.meta }];
  return Array.from(input.matchAll(PIECES), ([piece]) => rawKey(piece));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const PIECES = /\u001b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])|\r\n|[\s\S]/gu;

type Name = NonNullable<Key['name']>;

function nameOf(input: string, key: InkKey): Name | undefined {
  if (key.leftArrow) return 'left';
  if (key.rightArrow) return 'right';
  if (key.upArrow) return 'up';
  if (key.downArrow) return 'down';
  if (key.return) return 'enter';
  if (key.tab) return 'tab';
  if (key.home) return 'home';
  if (key.end) return 'end';
  // Terminals send DEL for backspace, which ink calls delete; the delete key itself comes with its code.
  if (input === '[3~') return 'delete';
  if (key.backspace || key.delete) return 'backspace';
  return SEQUENCES[`\u001b${input}`];
}

const SEQUENCES: Record<string, Name> = {
  '\u001b[A': 'up',
  '\u001b[B': 'down',
  '\u001b[C': 'right',
  '\u001b[D': 'left',
  '\u001b[H': 'home',
  '\u001b[1~': 'home',
  '\u001bOH': 'home',
  '\u001b[F': 'end',
  '\u001b[4~': 'end',
  '\u001bOF': 'end',
  '\u001b[3~': 'delete',
  '\r': 'enter',
  '\n': 'enter',
  '\r\n': 'enter',
  '\t': 'tab',
  '\u007f': 'backspace',
  '\b': 'backspace',
};

/** A character, or an escape sequence, as the terminal sent it. */
function rawKey(piece: string): Key {
  const name = SEQUENCES[piece];
  if (name !== undefined) return { input: '', name };
  const code = piece.charCodeAt(0);
  if (code === 0x1b) return { input: '' };
  return code < 0x20 ? { input: String.fromCharCode(code + 0x60), ctrl: true } : { input: piece };
}
