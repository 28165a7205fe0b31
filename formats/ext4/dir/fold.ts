/**
 * Names in case-insensitive directories (feature casefold): what two names must have in common to be the same. That is
 * Unicode's canonical decomposition with full case folding, without the characters that are not to be seen (kernel:
 * fs/unicode, utf8nfdicf). What is not UTF-8 is itself.
 */
import { decodeName, encodeName } from '../../../core/vfs/names.ts';

/** Characters that do not count. */
const IGNORED = /\p{Default_Ignorable_Code_Point}/gu;
/** Cherokee letters fold to the large ones. */
const CHEROKEE = /[\u13a0-\u13fd\uab70-\uabbf]/u;

/** The folded form of a name. */
export function foldName(name: Uint8Array): Uint8Array {
  const text = decodeName(name);
  // A byte that is no UTF-8: the whole name is compared as it is.
  if (/[\udc80-\udcff]/.test(text.replaceAll(/[\ud800-\udbff][\udc00-\udfff]/g, ''))) return name;
  let folded = '';
  for (const char of text.normalize('NFD').replaceAll(IGNORED, '')) folded += foldChar(char);
  return encodeName(folded.normalize('NFD'));
}

function foldChar(char: string): string {
  const upper = char.toLowerCase().toUpperCase();
  if (CHEROKEE.test(char)) return upper;
  // The dotless i is a letter of its own.
  if (char === '\u0131') return char;
  return upper.toLowerCase().replaceAll('\u03c2', '\u03c3');
}
